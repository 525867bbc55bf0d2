import pickle

import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import mobilenet_v3_small

from ajuste_fino.backbone import build
from ajuste_fino.backbone.weights import digest, online, read
from ajuste_fino.errors import UserError


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(1)
    return mobilenet_v3_small().state_dict()


def backbone_of(path):
    return build("mobilenet_v3_small", str(path))


def features(state):
    return {k: v for k, v in state.items() if k.startswith("features.")}


@pytest.mark.parametrize("prefix", ["", "module.", "backbone.", "model.", "module.model.", "model.backbone."])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_prefixes_are_taken_off(tmp_path, state, prefix, suffix):
    renamed = {prefix + name: tensor for name, tensor in state.items()}
    path = tmp_path / f"w{suffix}"
    save_file(renamed, path) if suffix == ".safetensors" else torch.save(renamed, path)
    backbone, notes = backbone_of(path)
    assert notes == []
    own = backbone.net.state_dict()
    assert all(torch.equal(tensor, own[name]) for name, tensor in features(state).items())


def test_prefixes_are_taken_off_name_by_name(tmp_path, state):
    mixed = {f"backbone.{name}": tensor for name, tensor in state.items()} | {"head.weight": torch.zeros(1)}
    torch.save(mixed, tmp_path / "w.pth")
    backbone, notes = backbone_of(tmp_path / "w.pth")
    assert torch.equal(backbone.net.state_dict()["features.0.0.weight"], state["features.0.0.weight"])
    assert len(notes) == 1
    assert "head.weight" in notes[0]


def test_an_envelope_is_opened(tmp_path, state):
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "w.pth")
    assert backbone_of(tmp_path / "w.pth")[1] == []


def test_the_classifier_may_be_missing_or_of_other_classes(tmp_path, state):
    torch.save(features(state), tmp_path / "a.pth")
    assert "classifier.3.weight" in backbone_of(tmp_path / "a.pth")[1][0]
    torch.save({**state, "classifier.3.weight": torch.zeros(7, 1024)}, tmp_path / "b.pth")
    assert "classifier.3.weight" in backbone_of(tmp_path / "b.pth")[1][0]


def test_what_is_left_over_is_named(tmp_path, state):
    torch.save({**state, "extra.weight": torch.zeros(1)}, tmp_path / "w.pth")
    assert "extra.weight" in backbone_of(tmp_path / "w.pth")[1][0]


def test_more_than_the_classifier_missing_is_an_error(tmp_path, state):
    lacking = {k: v for k, v in state.items() if k != "features.0.0.weight"}
    torch.save({**lacking, "features.1.block.0.0.weight": torch.zeros(3)}, tmp_path / "w.pth")
    with pytest.raises(UserError, match=r"2 of the network(.|\n)*features.0.0.weight(.|\n)*shape \(3,\) instead of"):
        backbone_of(tmp_path / "w.pth")


class Payload:
    def __reduce__(self):
        return (exec, ("raise SystemExit('executed')",))


def spoiled(tmp_path, kind, state):
    path = tmp_path / "w.pth"
    if kind == "pickle":
        path.write_bytes(pickle.dumps(Payload()))
    elif kind == "payload":
        torch.save({**state, "x": Payload()}, path)
    elif kind == "model":
        torch.save(torch.nn.Linear(1, 1), path)
    elif kind == "numbers":
        torch.save({"a": 1}, path)
    elif kind == "truncated":
        torch.save(state, path)
        path.write_bytes(path.read_bytes()[:5000])
    elif kind == "text":
        path.write_text("not found")
    elif kind == "safetensors":
        path = tmp_path / "w.safetensors"
        path.write_text("not found")
    return path


@pytest.mark.parametrize("kind", ["pickle", "payload", "model", "numbers", "truncated", "text", "safetensors"])
def test_what_is_no_file_of_tensors_is_refused_and_nothing_is_run(tmp_path, kind, state):
    with pytest.raises(UserError, match="backbone.weights="):
        read(spoiled(tmp_path, kind, state))


def test_an_address_and_a_missing_file_are_refused(tmp_path):
    with pytest.raises(UserError, match="must be a file on this machine"):
        read("https://example.org/w.pth")
    with pytest.raises(UserError, match="existing path"):
        read(tmp_path / "w.pth")


def test_no_network_and_no_cached_file_is_one_message():
    def offline():
        raise OSError("Name or service not known")

    with pytest.raises(UserError, match=r"backbone.weights=PATH.*embedded"):
        online(offline, "resnet18")


def test_digest_sees_every_bit_of_parameters_and_buffers():
    module = torch.nn.BatchNorm2d(3)
    seen = {digest(module)}
    module.running_mean[1] += 1e-7
    seen.add(digest(module))
    module.num_batches_tracked += 1
    seen.add(digest(module))
    with torch.no_grad():
        module.weight[0] = -module.weight[0]
    seen.add(digest(module))
    assert len(seen) == 4
