"""A network cut by its own structure: the whole up to a layer, and a trunk and a tail that are the whole together."""

import copy

import pytest
import torch
from torch import nn

from ajuste_fino.backbone import build
from ajuste_fino.backbone.blocks import block_names, probe, record
from ajuste_fino.backbone.cut import run
from ajuste_fino.backbone.weights import digest
from ajuste_fino.errors import UserError
from ajuste_fino.freezing import Frozen

BLOCKS = {
    "embedded": ["features.stem", "features.block1", "features.block2", "features.block3"],
    "resnet18": ["conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4"],
    "mobilenet_v2": [f"features.{n}" for n in range(19)],
    "googlenet": None,  # its `forward` changes the image before the first block
    "vit_b_16": None,  # and this one reads a token after the last
}


@pytest.mark.parametrize("name", BLOCKS)
def test_trunk_and_tail_are_the_whole(name):
    backbone, _ = build(name, "none")
    assert BLOCKS[name] is None or backbone.blocks == BLOCKS[name]
    x = torch.rand(2, 3, backbone.preprocessing["size"], backbone.preprocessing["size"])
    middle = backbone.blocks[len(backbone.blocks) // 2]
    trunk, tail = backbone.split(middle)
    with torch.inference_mode():
        whole, map_ = backbone(x), trunk(x)
        assert map_.shape[1:] == trunk.shape
        assert torch.allclose(tail(map_), whole, atol=1e-5)
    assert trunk.identity() != backbone.identity()
    trained = {id(p) for p in tail.parameters()}
    assert trained <= {id(p) for p in backbone.parameters()}  # shared, not copied
    assert trained | {id(p) for p in trunk.parameters()} == {id(p) for p in backbone.parameters()}


def test_head_and_all_are_the_backbone_itself():
    backbone, _ = build("embedded", "none")
    assert backbone.split("head") == (backbone, None)
    assert backbone.split("all") == (None, backbone)
    assert backbone.split("stem") == (None, backbone)  # its first block
    with pytest.raises(UserError, match=r"must be head, upper, all or a block of the backbone; got blok3. Did you mean block3"):
        backbone.split("blok3")


def test_a_tail_is_trained_and_the_trunk_stays():
    backbone, _ = build("embedded", "none")
    x = torch.rand(4, 3, 64, 64)
    trunk, tail = backbone.split("block3")
    frozen, before = Frozen(trunk), copy.deepcopy(backbone.state_dict())
    optimizer = torch.optim.SGD(tail.parameters(), lr=0.1)
    tail.train()
    tail(frozen(x)).square().sum().backward()
    optimizer.step()
    assert frozen.verify_frozen() == frozen.before
    backbone.adopt(tail)
    moved = {name for name, tensor in backbone.state_dict().items() if not torch.equal(tensor, before[name])}
    assert {name.split(".")[2] for name in moved} == {"block3"}
    with torch.inference_mode():
        assert torch.equal(backbone.eval()(x), tail.eval()(trunk(x)))


class Residue(nn.Module):
    """What the first block gives is used again after the second one."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.third = (nn.Conv2d(3, 3, 3, padding=1) for _ in range(3))
        self.fc = nn.Linear(3, 2)

    def forward(self, x):
        early = self.first(x)
        return self.fc(self.third(self.second(early) + early).mean((2, 3)))


def test_a_network_that_cannot_be_divided_there_is_refused():
    from ajuste_fino.backbone import Backbone, BackboneSpec

    net = Residue()
    backbone = Backbone(net, BackboneSpec("residue", "third", 1), {"size": 16}, record(net, 16, "third"))
    backbone.split("second")
    with pytest.raises(UserError, match="must be a block before which residue can be divided"):
        backbone.split("third")


class Untraceable(Residue):
    """Control flow on values, which torch.fx cannot trace."""

    def forward(self, x):
        return super().forward(-x if x.sum() < 0 else x)


def test_what_cannot_be_traced_is_cut_all_the_same():
    with pytest.raises(torch.fx.proxy.TraceError):
        torch.fx.symbolic_trace(Untraceable())
    net = Untraceable().eval()
    recording = record(net, 16)
    assert block_names(net, recording) == ["first", "second", "third"]


def test_maps_with_channels_last_are_pooled_over_their_sides():
    pytest.importorskip("timm")
    backbone, _ = build("timm/swin_tiny_patch4_window7_224", "none")
    assert backbone.num_features == 768
    x = torch.rand(1, 3, 224, 224)
    with torch.inference_mode():
        map_ = run(backbone.net, x)
        assert map_.shape == (1, 7, 7, 768)
        assert torch.allclose(backbone(x), map_.mean((1, 2)), atol=1e-5)


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "mobilenetv3_small_050", "vit_tiny_patch16_224"])
def test_networks_of_timm(name):
    pytest.importorskip("timm")
    torch.manual_seed(0)
    backbone, _ = build(f"timm/{name}", "none")
    trunk, tail = backbone.split(backbone.blocks[3])
    x = probe(backbone.preprocessing["size"])
    with torch.inference_mode():
        assert torch.allclose(tail(trunk(x)), backbone(x), atol=1e-5)


def test_the_probe_draws_nothing():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    net = Residue()
    after = torch.get_rng_state()
    record(net, 16)
    assert torch.equal(torch.get_rng_state(), after)
    assert not torch.equal(before, after)


def test_a_network_that_reads_a_version_is_rebuilt():
    """MNASNet refuses a state without torchvision's version of it."""
    from ajuste_fino.backbone import rebuild

    backbone, _ = build("mnasnet0_5", "none")
    again = rebuild(backbone.spec, backbone.preprocessing, backbone.net.state_dict())
    assert digest(again) == digest(backbone)
