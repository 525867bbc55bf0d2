import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ajuste_fino import bundle
from ajuste_fino.backbone import build
from ajuste_fino.backbone.weights import digest
from ajuste_fino.data.transforms import Preprocessing
from ajuste_fino.errors import UserError
from ajuste_fino.files import sha256
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
    assert set(facts) == {
        "format",
        "labels",
        "preprocessing",
        "precision",
        "backbone",
        "head",
        "split",
        "temperature",
        "novelty",
    }


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


def zipped(path, folder, prefix="", method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, f"{prefix}{file.relative_to(folder).as_posix()}")
    return path


@pytest.mark.parametrize("prefix", ["", "bundle/", "my run/"])
def test_a_zip_of_a_bundle_or_of_a_run_is_the_same_model(run, tmp_path, prefix):
    for folder in (run[0], run[0] / "bundle"):
        path = zipped(tmp_path / "model.zip", folder, prefix)
        assert digest(bundle.read(path).backbone) == digest(bundle.read(run[0]).backbone)
    assert sorted(tmp_path.iterdir()) == [path]  # nothing is unpacked


def test_a_zip_that_is_not_as_it_was_written_is_refused(copy, tmp_path):
    (copy / "bundle.json").write_text("{}")
    with pytest.raises(UserError, match="bundle.json is not as it was written"):
        bundle.read(zipped(tmp_path / "model.zip", copy))


def test_a_zip_that_would_fill_the_memory_is_refused(copy, tmp_path):
    (copy / "model.safetensors").write_bytes(bytes(64 * 2**20))
    with pytest.raises(UserError, match="must unpack to at most"):
        bundle.read(zipped(tmp_path / "model.zip", copy))


def test_other_zips_are_refused(copy, tmp_path):
    with pytest.raises(UserError, match="another method than deflate"):
        bundle.read(zipped(tmp_path / "lzma.zip", copy, method=zipfile.ZIP_LZMA))
    path = zipped(tmp_path / "cut.zip", copy)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="cannot be read"):
        bundle.read(path)
    shutil.copytree(copy, tmp_path / "two" / "b")
    shutil.copytree(copy, tmp_path / "two" / "a")
    with pytest.raises(UserError, match="must hold one bundle; got a, b"):
        bundle.read(zipped(tmp_path / "two.zip", tmp_path / "two"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="must be a run folder, a bundle or a zip file of one"):
        bundle.read(zipped(tmp_path / "none.zip", tmp_path / "empty"))


def test_the_way_out_of_a_wrong_path_is_told(run, tmp_path):
    for file in ("checkpoints/best.ckpt", "bundle/model.safetensors", "config.yaml"):
        with pytest.raises(UserError, match="It is a file of a run: pass run="):
            bundle.read(run[0] / file)
    with pytest.raises(UserError, match=f"the newest is run={run[0]}"):
        bundle.read(run[0].parent)
    (tmp_path / "config.yaml").touch()
    with pytest.raises(UserError, match="it was stopped, or failed, before an epoch was kept"):
        bundle.read(tmp_path)


def edited(copy, change):
    """Change `bundle.json` as by hand, its line in SHA256SUMS too."""
    old = sha256(copy / "bundle.json")
    metadata = json.loads((copy / "bundle.json").read_text())
    content = change(metadata)
    (copy / "bundle.json").write_text(content if isinstance(content, str) else json.dumps(metadata))
    sums = (copy / "SHA256SUMS").read_text()
    (copy / "SHA256SUMS").write_text(sums.replace(old, sha256(copy / "bundle.json")))


def put(*keys, value):
    def change(metadata):
        for key in keys[:-1]:
            metadata = metadata[key]
        metadata[keys[-1]] = value

    return change


EDITS = {
    "same labels": (put("labels", value=["1", "1", "10"]), "labels must differ"),
    "a text": (put("labels", value="abc"), "labels must be a list of texts"),
    "numbers": (put("labels", value=[1, 2, 10]), "labels must be a list of texts"),
    "a label less": (put("labels", value=["1", "2"]), "num_classes must be that of the labels"),
    "no labels": (lambda metadata: metadata.pop("labels") and None, "there must be labels"),
    "size": (put("preprocessing", "size", value=10**9), "preprocessing.size must be"),
    "size as text": (put("preprocessing", "size", value="64"), "preprocessing.size must be"),
    "std": (put("preprocessing", "std", value=[0, 1, 1]), "std must be above 0"),
    "mean": (put("preprocessing", "mean", value=[0.5, None, 0.5]), "mean must be three"),
    "NaN": (put("preprocessing", "mean", value=[0.5, float("nan"), 0.5]), "mean must be three"),
    "interpolation": (put("preprocessing", "interpolation", value=["x"]), "interpolation must be known"),
    "other key": (put("preprocessing", "more", value=1), "more"),
    "precision": (put("precision", value=["fp8"]), "precision must be"),
    "hidden": (put("head", "hidden", value=10**9), "sizes of head"),
    "hidden as list": (put("head", "hidden", value=[]), "head.hidden"),
    "features": (put("head", "num_features", value=10**9), "sizes of head"),
    "dropout": (put("head", "dropout", value="a"), "head.dropout"),
    "ensemble": (put("ensemble", value=10**6), "sizes of head"),
    "one member": (put("ensemble", value=1), "that are not those of a bundle"),
    "pool": (put("backbone", "pool", value=1), "features, and the head takes"),
    "tap": (put("backbone", "tap", value="features.nothing"), "features.nothing"),
    "backbone": (put("backbone", value=[]), "backbone must have keys"),
    "name": (put("backbone", "name", value=5), "backbone.name must be a text"),
    "list": (lambda _: "[1]", "there must be a format"),
    "format": (put("format", value=[1]), "must have format"),
    "deep": (lambda _: "[" * 200_000, "lists within lists"),
    "no JSON": (lambda _: "{", "that are not those of a bundle"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_what_was_edited_by_hand_is_told_in_one_message(copy, edit):
    change, message = EDITS[edit]
    edited(copy, change)
    with pytest.raises(UserError, match=message):
        bundle.read(copy)


@pytest.mark.parametrize("name", ["SHA256SUMS", "bundle.json", "model.safetensors"])
@pytest.mark.parametrize("method", ["is_file", "read_bytes"])
def test_what_may_not_be_read_is_told(copy, monkeypatch, name, method):
    real = getattr(Path, method)

    def refuse(path):
        if path.name == name:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(Path, method, refuse)
    with pytest.raises(UserError, match=f"{name} cannot be read .Permission denied.. Check its permissions"):
        bundle.read(copy)
