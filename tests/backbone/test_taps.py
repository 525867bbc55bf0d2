"""Several cuts in one pass: the features of each are those of the network that ends there."""

import pytest
import torch
from torchvision import models

from ajuste_fino.backbone import build
from ajuste_fino.backbone.taps import Cut, Taps, layers_to_try

LAYERS = {
    "embedded": ["features.block1", "features.block2", "features.block3", "features.block4"],
    "mobilenet_v2": ["features.13", "features.16", "features.17", "features"],
    "resnet18": ["layer1", "layer2", "layer3", "layer4"],
    "vit_b_16": [None],
}


@pytest.mark.parametrize("name", LAYERS)
def test_which_layers_are_tried(name):
    with torch.device("meta"):
        backbone, _ = build(name, "none")
    assert layers_to_try(backbone) == LAYERS[name]


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", ["embedded", "squeezenet1_1", "alexnet"])
def test_each_cut_gives_what_the_network_that_ends_there_gives(name, precision, tmp_path):
    weights = "pretrained"
    if name != "embedded":
        torch.manual_seed(0)
        weights = str(tmp_path / "weights.pth")
        torch.save(models.get_model(name).state_dict(), weights)
    backbone, _ = build(name, weights)
    layers, default = layers_to_try(backbone), Cut(backbone.spec.layer, backbone.spec.pool)
    taps = Taps(build(name, weights, layer=layers[-1], pool=1)[0], layers, default)
    x = torch.randn(2, 3, backbone.preprocessing["size"], backbone.preprocessing["size"])
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
        features = taps(x).float()
        assert default in taps.columns and len(taps.columns) == 3 * len(layers)
        for cut in (default, Cut(layers[0], 2), Cut(layers[-1], 4), Cut(layers[-2], 1)):
            ended, _ = build(name, weights, layer=cut.layer, pool=cut.pool)
            assert torch.equal(features[:, taps.columns[cut]], ended(x).float())
    assert not any(module._forward_hooks for module in taps.backbone.net.modules() if module.__class__.__name__ == "Fire")
