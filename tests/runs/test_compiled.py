"""`compile=true`: what is trained of the backbone is compiled in place, and nothing else is changed by it."""

import pytest
import torch
from safetensors.torch import load_file

from ajuste_fino.callbacks.checkpoints import load_checkpoint

SCHEDULES = {
    "{train_from: all, backbone_lr_mult: 1}": 1,
    "{train_from: head},{train_from: upper, backbone_lr_mult: 1}": 1,
    "{train_from: head},{train_from: upper, backbone_lr_mult: 1},{train_from: all, backbone_lr_mult: 1}": 2,
}


@pytest.fixture
def compiled(monkeypatch):
    """The functions that torch is asked to compile, and how often each is called."""
    asked = {}

    def compile_(function, *_, **__):
        def called(*args, **kwargs):
            asked[called] += 1
            return function(*args, **kwargs)

        asked[called] = 0
        return called

    monkeypatch.setattr(torch, "compile", compile_)
    return asked


@pytest.mark.parametrize(("schedule", "bodies"), SCHEDULES.items())
def test_each_body_that_is_trained_is_compiled_and_the_model_is_the_same(cli, photos, tmp_path, compiled, schedule, bodies):
    for wanted in ("true", "false"):
        keys = ("data=folder", f"data.root={photos}", f"out={tmp_path / wanted}", "epochs=1", "workers=0")
        code, _, err = cli("train", *keys, f"phases.schedule=[{schedule}]", f"compile={wanted}")
        assert code == 0, err
    trial, *others = compiled.values()
    assert (trial, len(others), set(others)) == (1, bodies, {2})  # a batch of training, one of validation
    one, other = (load_file(tmp_path / wanted / "bundle" / "model.safetensors") for wanted in ("true", "false"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)
    states = [load_checkpoint(tmp_path / wanted / "checkpoints" / "best.ckpt")["state_dict"] for wanted in ("true", "false")]
    assert states[0].keys() == states[1].keys()


def test_without_a_compiler_it_is_refused_before_anything_is_written(cli, photos, tmp_path, monkeypatch):
    def none(*_, **__):
        raise RuntimeError("InvalidCxxCompiler: No working C++ compiler found\n\nSet TORCHDYNAMO_VERBOSE=1")

    monkeypatch.setattr(torch, "compile", none)
    keys = ("data=folder", f"data.root={photos}", f"out={tmp_path / 'run'}", "phases=full")
    code, _, err = cli("train", *keys, "compile=true")
    assert (code, (tmp_path / "run").exists()) == (2, False)
    message = "compile=true needs a compiler that works (InvalidCxxCompiler: No working C++ compiler found)"
    assert message in err and "g++" in err and "DYNAMO" not in err


def test_a_head_alone_has_nothing_to_compile(cli, photos, tmp_path):
    code, _, err = cli("train", "data=folder", f"data.root={photos}", f"out={tmp_path / 'run'}", "compile=true")
    assert (code, "pass phases=ladder" in err) == (2, True), err
