"""`find-lr`: a range test of a phase, which leaves the weights as they were and gives a command that train takes."""

import math
import shlex

import pytest
import torch

from ajuste_fino.backbone.weights import digest
from ajuste_fino.files import read_csv
from ajuste_fino.runs import find_lr as module
from ajuste_fino.runs.configuration import compose
from ajuste_fino.runs.range_test import Reading, judge, rates

LADDER = "phases.schedule=[{train_from: head, epochs: 1},{train_from: upper, lr: 0.001, epochs: 1, backbone_lr_mult: 0.5}]"


@pytest.fixture
def found(cli, photos, tmp_path, monkeypatch):
    """`found(*overrides)` → exit code, standard output, standard error, the readings, the classifier's hashes of the test."""

    def call(*overrides):
        hashes, before = [], module.measure

        def watched(classifier, *args):
            hashes.append(digest(classifier))
            readings = before(classifier, *args)
            hashes.append(digest(classifier.cpu()))
            watched.classifier = classifier
            return readings

        monkeypatch.setattr(module, "measure", watched)
        out = tmp_path / "out"
        keys = ("data=folder", f"data.root={photos}", f"out={out}", "backbone=embedded", "workers=0", "batch_size=8")
        code, shown, err = cli("find-lr", *keys, *overrides)
        monkeypatch.setattr(module, "measure", before)
        if hashes:
            hashes.append(digest(watched.classifier))
        table = read_csv(out / "find_lr.csv") if (out / "find_lr.csv").is_file() else []
        return code, shown, err, [Reading(*map(float, row.values())) for row in table], hashes

    return call


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        ((), "optimizer.lr"),
        (("optimizer=sgd", "optimizer.lr=0.3", "find.highest=1000"), "optimizer.lr"),
        (("phases=full", "phases.batchnorm=train", "trainer.gradient_clip_val=1", "mixup=0.2"), "optimizer.lr"),
        ((LADDER, "trainer.accumulate_grad_batches=2"), "phases.schedule"),
        ((LADDER, "find.phase=1"), "phases.schedule"),
    ],
    ids=["head", "sgd", "full", "ladder", "ladder's head"],
)
def test_it_suggests_a_rate_that_train_takes_and_leaves_no_trace_in_the_weights(found, tmp_path, overrides, key):
    code, shown, err, readings, (before, trained, after) = found("find.steps=25", *overrides)
    assert code == 0, err
    assert before == after != trained
    assert (tmp_path / "out" / "find_lr.png").stat().st_size > 1000
    assert sorted(path.name for path in (tmp_path / "out").iterdir() if path.is_dir()) == []
    assert 10 <= len(readings) <= 25
    words = shlex.split(shown.splitlines()[-1])
    assert words[:2] == ["ajuste-fino", "train"]
    assert [word for word in words if word.startswith(("out=", "find."))] == []
    cfg = compose("train", words[2:])
    number = 0 if "find.phase=1" in overrides else -1
    lr = cfg.optimizer.lr if key == "optimizer.lr" else cfg.phases.schedule[number].lr
    lowest = min(readings[9:], key=lambda reading: reading.smoothed)
    assert lr == pytest.approx(lowest.lr / 10, rel=0.05)
    assert f"learning rate: {lr:g}" in err


def test_it_stops_where_the_loss_explodes(found):
    code, _, err, readings, (before, trained, after) = found("optimizer=sgd", "find.lowest=1e-4", "find.highest=1000")
    assert code == 0, err
    assert before == after != trained
    assert len(readings) < 100
    assert all(math.isfinite(reading.loss) for reading in readings)


def test_a_loss_that_explodes_at_once_fails(found):
    code, _, err, readings, (before, _, after) = found("optimizer=sgd", "find.lowest=100", "find.highest=1e3", "head.hidden=8")
    assert (code, before == after, len(readings) < 10) == (1, True, True), err
    assert "Pass a smaller find.lowest" in err


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("find.lowest=1", "find.highest=0.1"), "find.highest must be above find.lowest=1; got 0.1"),
        (("find.lowest=0",), "find.lowest must be a number above 0"),
        (("find.steps=5",), "find.steps must be a whole number of at least 20"),
        (("find.phase=2",), "find.phase must be one of the 1 phase"),
        ((LADDER, "find.phase=3"), "Pass a number from 1 to 2"),
        (("head=logistic",), "head with a learning rate"),
        (("find.step=5",), "Did you mean find.steps?"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(found, tmp_path, overrides, message):
    code, _, err, *_ = found(*overrides)
    assert (code, message in err, (tmp_path / "out").exists()) == (2, True, False), err


def curve(losses):
    return [Reading(lr, loss, loss) for lr, loss in zip(rates(1e-6, 1, len(losses)), losses, strict=True)]


@pytest.mark.parametrize(
    ("losses", "doubt"),
    [
        ([2.0] * 50 + [1.0] + [3.0] * 49, None),
        ([0.1] * 3 + [2.0] * 47 + [1.0] + [3.0] * 49, None),  # a mean of few counts for nothing
        ([2.0 - 0.01 * n for n in range(100)], "larger find.highest"),
        ([2.0] * 100, "hardly fell"),
    ],
)
def test_doubt_is_told(losses, doubt):
    verdict = judge(curve(losses), complete=True)
    assert verdict.doubt is None if doubt is None else doubt in verdict.doubt
    assert verdict.lr == pytest.approx(verdict.lowest / 10, rel=0.05)


def test_rates_grow_by_the_same_factor():
    lrs = torch.tensor(rates(1e-5, 10.0, 31), dtype=torch.float64)
    assert (lrs[0].item(), lrs[-1].item()) == (pytest.approx(1e-5), pytest.approx(10))
    torch.testing.assert_close(lrs[1:] / lrs[:-1], torch.full((30,), 10**0.2, dtype=torch.float64))
