import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ajuste_fino import bundle
from ajuste_fino.backbone import build
from ajuste_fino.backbone.weights import digest
from ajuste_fino.data.transforms import Preprocessing
from ajuste_fino.errors import UserError
from ajuste_fino.head import Head, HeadShape


@pytest.fixture
def copy(run, tmp_path):
    shutil.copytree(run[0] / "bundle", tmp_path / "bundle")
    return tmp_path / "bundle"


def test_a_run_folder_and_its_bundle_are_the_same_model(run, copy):
    a, b = bundle.read(run[0]), bundle.read(copy)
    assert a.labels == b.labels == ["1", "2", "10"]
    assert digest(a.backbone) == digest(b.backbone)
    assert digest(a.head) == digest(b.head)


def test_it_holds_no_pickle_and_says_what_it_needs(copy):
    assert sorted(path.name for path in copy.iterdir()) == ["SHA256SUMS", "bundle.json", "model.safetensors"]
    facts = json.loads((copy / "bundle.json").read_text())
    assert set(facts) == {"format", "labels", "preprocessing", "precision", "backbone", "head"}


def test_written_again_it_is_the_same_file(copy, tmp_path):
    bundle.write(bundle.read(copy), tmp_path / "again")
    for name in ("model.safetensors", "bundle.json", "SHA256SUMS"):
        assert (tmp_path / "again" / name).read_bytes() == (copy / name).read_bytes()


def test_every_flipped_bit_is_seen(copy):
    rng = np.random.default_rng(0)
    for n in range(60):
        path = copy / ("model.safetensors", "bundle.json")[n % 2]
        good = path.read_bytes()
        bad = bytearray(good)
        bad[rng.integers(len(bad))] ^= 1 << rng.integers(8)
        path.write_bytes(bad)
        with pytest.raises(UserError, match=f"{path.name} is not as it was written"):
            bundle.read(copy)
        path.write_bytes(good)


@pytest.mark.parametrize("name", ["model.safetensors", "bundle.json", "SHA256SUMS"])
def test_a_part_that_is_missing_is_told(copy, name):
    (copy / name).unlink()
    with pytest.raises(UserError, match=f"must be a run folder, a bundle|{name} is not as it was written"):
        bundle.read(copy)


@pytest.mark.parametrize("text", ["", "0" * 64 + "  ../../etc/passwd\n"])
def test_sums_that_say_nothing_of_the_files_are_refused(copy, text):
    (copy / "SHA256SUMS").write_text(text)
    with pytest.raises(UserError, match="is not as it was written"):
        bundle.read(copy)


def test_the_backbone_in_it_is_the_one_that_was_loaded(tmp_path, photos):
    """Tensor for tensor, BatchNorm's buffers included."""
    from torchvision.models import mobilenet_v3_small

    from ajuste_fino import fine_tune

    torch.manual_seed(3)
    state = {k: v for k, v in mobilenet_v3_small().state_dict().items() if k.startswith("features.")}
    torch.save(state, tmp_path / "w.pth")
    keys = {"backbone.name": "mobilenet_v3_small", "backbone.weights": str(tmp_path / "w.pth"), "data.image_size": 64}
    fine_tune(photos, out=str(tmp_path / "run"), epochs=1, workers=0, **keys)
    kept = bundle.read(tmp_path / "run").backbone.net.state_dict()
    assert kept.keys() == state.keys()
    assert all(torch.equal(kept[name], tensor) for name, tensor in state.items())


def test_a_buffer_under_two_names_is_written_under_both(tmp_path):
    """As MaxVit's relative positions are."""
    backbone, _ = build("embedded", "none")
    net = backbone.net
    net.register_buffer("one", torch.arange(3.0))
    net.register_buffer("other", net.one)
    parts = bundle.Bundle(backbone, Head(HeadShape(2048, 2)), ["a", "b"], Preprocessing(**backbone.preprocessing), "fp32")
    bundle.write(parts, tmp_path)
    written = load_file(tmp_path / bundle.TENSORS)
    assert written["backbone.one"].tolist() == written["backbone.other"].tolist() == [0, 1, 2]
