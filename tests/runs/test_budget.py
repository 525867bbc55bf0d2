"""`time=`: fewer views, epochs and phases, chosen and said before they begin; presets."""

import time
from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf

from ajuste_fino.callbacks.deadline import Deadline
from ajuste_fino.errors import UserError
from ajuste_fino.phases import Phase, Phases
from ajuste_fino.runs import budget
from ajuste_fino.runs.budget import Cost
from ajuste_fino.runs.configuration import compose

LADDER = Phases([Phase(epochs=40), Phase("upper", 10, backbone_lr_mult=1, views=4)], 40)
COSTS = [Cost(0, 0.1), Cost(10, 20)]  # 4 s, and 40 + 200 s


@pytest.mark.parametrize(
    ("given", "expected"), [("90s", 90), ("10m", 600), ("1.5 h", 5400), (45, 45), ("2min", 120), (None, None)]
)
def test_a_time_is_read(given, expected):
    assert budget.seconds(OmegaConf.create({"time": given})) == expected


@pytest.mark.parametrize("given", ["soon", "10 days", "-5m", "0s", "", [1]])
def test_what_is_no_time_is_refused(given):
    with pytest.raises(UserError, match="must be a time above 0"):
        budget.seconds(OmegaConf.create({"time": given}))


@pytest.mark.parametrize("left", [300, 244, 200, 130, 100, 85])
def test_views_and_epochs_are_as_many_as_there_is_time_for(left):
    found = budget.fitted(LADDER, COSTS, left)
    needed = sum(cost.of(phase) for cost, phase in zip(COSTS, found, strict=True))
    assert needed <= left
    assert needed >= min(left, 244) - COSTS[1].epoch - COSTS[1].view
    assert found[0] == LADDER[0]
    assert (found[1] == LADDER[1]) == (left >= 244)


@pytest.mark.parametrize("left", [60, 5, -10])
def test_a_phase_for_which_there_is_no_time_is_left_out(left):
    assert list(budget.fitted(LADDER, COSTS, left)) == [LADDER[0]]


def test_the_only_phase_stays():
    only = Phases([Phase("all", 10, backbone_lr_mult=1)], 40)
    assert budget.fitted(only, [Cost(0, 20)], 30)[0].epochs == 1


@pytest.mark.parametrize(("left", "stops"), [(3600, False), (0.01, True)])
def test_no_epoch_begins_that_would_end_too_late(left, stops):
    callback, trainer = Deadline(time.monotonic() + left), SimpleNamespace(current_epoch=1, max_epochs=5, should_stop=False)
    module = SimpleNamespace(plan=SimpleNamespace(phases=LADDER))
    callback.on_train_epoch_start(trainer, module)
    time.sleep(0.02)
    callback.on_train_epoch_end(trainer, module)
    assert trainer.should_stop is stops


def test_the_first_epoch_of_a_phase_counts_as_it_was_planned():
    callback = Deadline(time.monotonic() + 30, [0.1, 60])
    trainer = SimpleNamespace(current_epoch=39, max_epochs=50, should_stop=False)
    callback.on_train_epoch_start(trainer, None)
    callback.on_train_epoch_end(trainer, SimpleNamespace(plan=SimpleNamespace(phases=LADDER)))
    assert trainer.should_stop


@pytest.mark.parametrize("key", ["data.folds=3", "ensemble=4"])
def test_many_heads_have_no_time(cli, tmp_path, key):
    code, _, err = cli("train", "time=1m", key, f"out={tmp_path / 'run'}")
    assert (code, "which trains many heads" in err) == (2, True)


def test_a_run_ends_in_time_and_can_be_repeated(cli, photos, tmp_path):
    keys = ["data=folder", f"data.root={photos}", "phases=ladder", "epochs=2", "workers=0"]
    code, shown, err = cli("train", *keys, f"out={tmp_path / 'run'}", "time=1s")
    assert code == 0, err
    assert "time=1s leaves 0 s for training" in shown + err
    assert "no phase upper" in shown + err
    saved = OmegaConf.load(tmp_path / "run" / "config.yaml")
    assert [phase.train_from for phase in saved.phases.schedule] == ["head"]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["preset=fast"], ("efficientnet_lite0", 1, 0.6)),
        (["preset=good"], ("efficientnet_lite0", 2, 0.35)),
        (["preset=best"], ("efficientnet_lite2", 2, 0.35)),
        (["preset=best", "backbone=resnet18"], ("resnet18", 2, 0.35)),
        (["preset=good", "phases=head"], ("efficientnet_lite0", 1, 0.6)),
        (["preset=good", "augment=light"], ("efficientnet_lite0", 2, 0.6)),
    ],
    ids=str,
)
def test_a_preset_stands_for_keys_that_others_change(tmp_path, keys, expected):
    cfg = compose("train", ["data=folder", f"data.root={tmp_path}", *keys])
    assert (cfg.backbone.name, len(cfg.phases.schedule), cfg.data.augment.scale) == expected
