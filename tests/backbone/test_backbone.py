import pytest
import torch

from ajuste_fino.backbone import build, rebuild
from ajuste_fino.backbone.weights import digest
from ajuste_fino.errors import UserError
from ajuste_fino.runs.conf import options

NUM_FEATURES = {
    "embedded": 2048,
    "cnn": 1024,
    "resnet18": 512,
    "resnet50": 2048,
    "mobilenet_v2": 1280,
    "squeezenet1_1": 2048,
    "efficientnet_b0": 1280,
    "efficientnet_lite0": 1280,
    "efficientnet_lite1": 1280,
    "efficientnet_lite2": 1408,
    "vgg16": 512,
    "alexnet": 256,
    "convnext_tiny": 768,
    "vit_b_16": 768,
}


def test_every_short_name_is_in_the_table():
    assert set(NUM_FEATURES) == set(options("backbone")) - {"own"}


@pytest.mark.parametrize(("name", "expected"), list(NUM_FEATURES.items()))
def test_num_features(name, expected):
    backbone, _ = build(name, "none")
    assert backbone.num_features == expected
    size = backbone.preprocessing["size"]
    with torch.inference_mode():
        assert backbone(torch.rand(2, 3, size, size)).shape == (2, expected)


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "shufflenet_v2_x0_5", "mnasnet0_5"])
def test_other_names_of_torchvision(name):
    assert build(name, "none")[0].spec.layer is not None


CUTS = [("resnet18", "layer2", 2, 128 * 4), ("mobilenet_v2", "13", 1, 96), ("embedded", "block2", 2, 64 * 4)]


@pytest.mark.parametrize(("name", "layer", "pool", "width"), CUTS)
def test_a_cut_network_is_the_first_part_of_the_whole(name, layer, pool, width):
    backbone, _ = build(name, "none", layer=layer, pool=pool)
    assert backbone.num_features == width
    again = rebuild(backbone.spec, backbone.preprocessing, backbone.net.state_dict())
    assert digest(again.net) == digest(backbone.net)
    x = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(again(x), backbone(x))


def test_the_map_is_that_of_torchvisions_own_network():
    from torchvision.models import resnet18

    torch.manual_seed(0)
    whole = resnet18().eval()
    torch.manual_seed(0)
    backbone, _ = build("resnet18", "none")
    whole.fc = torch.nn.Identity()
    x = torch.rand(2, 3, 224, 224)
    with torch.inference_mode():
        assert torch.allclose(backbone(x), whole(x), atol=1e-5)


WRONG = [
    ({"name": "resnet19"}, "backbone.name must be .* Did you mean resnet1"),
    ({"name": "embedded", "layer": "blok2"}, "Did you mean block2"),
    ({"name": "resnet18", "layer": "fc"}, "must name a block"),
    ({"name": "embedded", "pool": 3}, "features.pool must be 1, 2 or 4; got 3"),
    ({"name": "embedded", "size": 4}, "between 8 and 4096"),
    ({"name": "vit_b_16", "size": 128}, "does not suit vit_b_16"),
    ({"name": "vit_b_16", "layer": "encoder"}, "need a block that gives a map"),
    ({"name": "vit_b_16", "pool": 2}, "need a block that gives a map"),
    ({"name": "timm/nothing"}, "needs the library timm|must be a model of timm"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_what_there_is_not_is_told(arguments, message):
    with pytest.raises(UserError, match=message):
        build(weights="none", **arguments)


def test_another_size_keeps_the_ratio_of_resize_to_crop():
    backbone, _ = build("resnet18", "none", size=112)
    assert (backbone.preprocessing["size"], backbone.preprocessing["resize"]) == (112, 128)
