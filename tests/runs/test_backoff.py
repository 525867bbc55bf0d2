"""A training step that needs more memory than there is: smaller batches, from the beginning, as if they had been asked for."""

import json
from itertools import count

import pytest
import torch
from omegaconf import OmegaConf
from safetensors.torch import load_file

from ajuste_fino.classifier import Classifier
from ajuste_fino.files import read_csv

LADDER = (
    "phases.schedule=[{train_from: head, epochs: 1},{train_from: upper, epochs: 1, backbone_lr_mult: 0.5}]",
    "phases.batchnorm=train",
    "phases.start=any",
)
FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), MemoryError()


@pytest.fixture
def trained(cli, photos, tmp_path):
    def call(name, *keys):
        given = [] if any(key.startswith("resume=") for key in keys) else ["data=folder", f"data.root={photos}", "epochs=2"]
        code, _, err = cli("train", *given, f"out={tmp_path / name}", "workers=0", *keys)
        return tmp_path / name, code, err

    return call


def fail(monkeypatch, wanted, error=FULL[0]):
    """Let a training step raise an error where `wanted(number of the step, images)` is true."""
    step, steps = Classifier.training_step, count(1)

    def limited(self, batch, index):
        if wanted(next(steps), len(batch[1])):
            raise error
        return step(self, batch, index)

    monkeypatch.setattr(Classifier, "training_step", limited)


def same(one, other):
    """Whether two runs gave the same model, to the bit, by the same way."""
    first, second = (load_file(out / "bundle" / "model.safetensors") for out in (one, other))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert (one / "metrics.csv").read_text() == (other / "metrics.csv").read_text()
    assert sorted(path.name for path in (one / "checkpoints").iterdir()) == ["best.ckpt", "last.ckpt", "previous.ckpt"]
    return True


@pytest.mark.parametrize(
    ("keys", "error", "number"),
    [((), FULL[0], 3), (LADDER, FULL[1], 9), ((*LADDER, "features.mode=live", "mixup=0.2"), FULL[0], 9)],
    ids=["head", "ladder", "live"],
)
def test_one_full_step_begins_the_fit_again_with_half_the_images(trained, monkeypatch, keys, error, number):
    """At step 9 the ladder has trained its head, BatchNorm's statistics have moved, and an epoch is kept."""
    asked, _, _ = trained("asked", *keys, "batch_size=2", "trainer.accumulate_grad_batches=2")
    fail(monkeypatch, lambda step, _: step == number, error)
    out, code, err = trained("backed-off", *keys, "batch_size=4")
    assert code == 0, err
    pair = "batch_size=2 trainer.accumulate_grad_batches=2"
    assert " ".join(err.split()).count(f"The memory is full with batch_size=4. Training begins again with {pair}; pass") == 1
    assert same(asked, out)


def test_it_goes_on_until_the_batches_fit_and_the_run_is_as_it_says(trained, monkeypatch):
    fail(monkeypatch, lambda _, images: images > 3)
    out, code, err = trained("run", "batch_size=25", "trainer.accumulate_grad_batches=2")
    assert code == 0, err
    assert [err.count(f"full with batch_size={size}.") for size in (25, 12, 6, 3)] == [1, 1, 1, 0]
    cfg = OmegaConf.load(out / "config.yaml")
    assert (cfg.batch_size, cfg.trainer.accumulate_grad_batches) == (3, 16)
    assert [row["epoch"] for row in read_csv(out / "metrics.csv")] == ["1", "2"]
    assert json.loads((out / "metrics.json").read_text())["epochs_trained"] == 2


def test_a_run_that_is_resumed_goes_on_with_the_batches_it_has_or_says_what_is_wrong(trained, monkeypatch):
    with monkeypatch.context() as patch:
        fail(patch, lambda step, _: step == 3)
        out, code, err = trained("run", "batch_size=4")
        assert code == 0, err
    _, code, err = trained("run", f"resume={out}", "epochs=3")
    assert code == 0, err
    fail(monkeypatch, lambda *_: True)
    _, code, err = trained("run", f"resume={out}", "epochs=4")
    assert (code, "The memory is full with batch_size=2. Pass batch_size=1." in err) == (1, True), err
    assert (out / "checkpoints" / "last.ckpt").is_file()


def test_folds_say_what_is_wrong(trained, monkeypatch):
    fail(monkeypatch, lambda *_: True)
    _, code, err = trained("run", "batch_size=4", "data.folds=2")
    assert (code, "The memory is full with batch_size=4. Pass batch_size=2." in err) == (1, True), err


def test_another_error_ends_the_run(trained, monkeypatch):
    fail(monkeypatch, lambda *_: True, RuntimeError("shapes do not match"))
    _, code, err = trained("run", "batch_size=4")
    assert (code, "shapes do not match" in err, "full" in err) == (1, True, False)
