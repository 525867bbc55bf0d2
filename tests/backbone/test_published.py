"""Weights of other libraries' caches: read as tensors only, from a file that is whole, or fetched so."""

import hashlib
import io

import pytest
import torch
from safetensors.torch import save
from torchvision import models

from ajuste_fino.backbone import build
from ajuste_fino.backbone.published import HASHED, PublishedFile, torchvision_tensors
from ajuste_fino.errors import UserError

STATE = {"a": torch.arange(9.0)}


class Payload:
    """Leaves a file where it is run."""

    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return (open, (str(self.canary), "w"))


def saved(content):
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


@pytest.fixture
def publish(tmp_path, monkeypatch):
    """Has a content published as resnet18's, where `as_name` says what is told of its hash; torch's cache is empty."""
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))

    def put(content, digits=None):
        digits = hashlib.sha256(content).hexdigest()[:8] if digits is None else digits
        source = tmp_path / f"resnet18{digits and '-'}{digits}.pth"
        source.write_bytes(content)
        monkeypatch.setattr(models.ResNet18_Weights.DEFAULT.value, "url", source.as_uri())
        return source, PublishedFile.of(source.as_uri())

    return put


def test_what_is_fetched_lands_whole_in_the_cache_and_is_not_fetched_again(publish):
    source, file = publish(saved(STATE))
    assert torch.equal(torchvision_tensors("resnet18")["a"], STATE["a"])
    assert file.path.read_bytes() == source.read_bytes()
    assert [path.name for path in file.path.parent.iterdir()] == [source.name]
    source.unlink()
    assert torch.equal(torchvision_tensors("resnet18")["a"], STATE["a"])


def test_a_download_of_another_content_leaves_nothing(publish):
    _, file = publish(saved(STATE), digits="01234567")
    with pytest.raises(UserError, match=r"cannot be fetched \(invalid hash.*efficientnet_lite0"):
        torchvision_tensors("resnet18")
    assert not list(file.path.parent.iterdir())


def test_no_network_and_no_cached_file_is_one_message(publish):
    source, _ = publish(saved(STATE))
    source.unlink()
    with pytest.raises(UserError, match=r"cannot be fetched.*backbone.weights=PATH.*efficientnet_lite0"):
        torchvision_tensors("resnet18")


@pytest.mark.parametrize("hashed", [True, False])
@pytest.mark.parametrize("kind", ["payload", "cut", "empty", "web page", "folder"])
def test_another_file_in_the_cache_is_never_run_and_is_to_be_deleted(publish, tmp_path, kind, hashed):
    whole = saved(STATE)
    _, file = publish(whole, digits=None if hashed else "")
    contents = {"cut": whole[:-20], "empty": b"", "web page": b"<html>", "payload": saved({"a": Payload(tmp_path / "canary")})}
    file.path.parent.mkdir(parents=True)
    file.path.mkdir() if kind == "folder" else file.path.write_bytes(contents[kind])
    with pytest.raises(UserError, match=f"backbone=resnet18 needs {file.path}, which .* delete it"):
        torchvision_tensors("resnet18")
    assert not (tmp_path / "canary").exists()


def test_every_file_of_torchvision_has_a_hash_in_its_name():
    for name in models.list_models(module=models):
        for weights in models.get_model_weights(name):
            assert HASHED.search(weights.url), weights


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Puts a file into a Hugging Face cache of the test's own, as the hub would for a network of timm."""
    timm = pytest.importorskip("timm")
    constants = pytest.importorskip("huggingface_hub").constants
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    def put(short, content, name="model.safetensors"):
        folder = tmp_path / f"models--{timm.get_pretrained_cfg(short).hf_hub_id.replace('/', '--')}"
        blob, link = folder / "blobs" / hashlib.sha256(content).hexdigest(), folder / "snapshots" / ("a" * 40) / name
        for path in (blob, link, folder / "refs" / "main"):
            path.parent.mkdir(parents=True, exist_ok=True)
        (folder / "refs" / "main").write_text("a" * 40)
        blob.write_bytes(content)
        link.symlink_to(blob)
        return blob

    return put


SHORT = "mobilenetv3_small_050"


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_timm_reads_what_was_read_here(hub, name):
    timm = pytest.importorskip("timm")
    net = timm.create_model(SHORT)
    hub(SHORT, save(net.state_dict()) if name == "model.safetensors" else saved(net.state_dict()), name)
    backbone, notes = build(f"timm/{SHORT}")
    assert notes == []
    theirs = net.state_dict()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in backbone.net.state_dict().items())


@pytest.mark.parametrize("kind", ["payload", "cut", "another network"])
def test_another_file_of_timm_is_never_run_and_is_to_be_deleted(hub, tmp_path, kind):
    content = saved({"a": Payload(tmp_path / "canary")}) if kind == "payload" else save(STATE)
    blob = hub(SHORT, content, "pytorch_model.bin" if kind == "payload" else "model.safetensors")
    if kind == "cut":
        blob.write_bytes(content[:-4])
    with pytest.raises(UserError, match=f"backbone=timm/{SHORT} needs {blob}, which .* delete it"):
        build(f"timm/{SHORT}")
    assert not (tmp_path / "canary").exists()


def test_timm_without_a_file_or_without_weights_is_one_message(hub):
    with pytest.raises(UserError, match=r"cannot be fetched.*efficientnet_lite0"):
        build(f"timm/{SHORT}")
    with pytest.raises(UserError, match="has no published weights"):
        build("timm/resnetblur18")
