"""`resume=RUN`: the same to the byte wherever the run was stopped, and what it refuses to go on with."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from copy import deepcopy
from functools import cache
from pathlib import Path

import pytest
from safetensors.torch import save_file

from ajuste_fino import fine_tune
from ajuste_fino.backbone.catalogue import architecture
from ajuste_fino.callbacks import LastCheckpoint
from ajuste_fino.callbacks.checkpoints import Damaged, load_checkpoint, replace_by_link
from ajuste_fino.callbacks.stopping import Stops
from ajuste_fino.classifier import Classifier
from ajuste_fino.errors import UserError
from ajuste_fino.files import read_csv
from ajuste_fino.report import plots
from ajuste_fino.runs import lock as locks
from ajuste_fino.runs.configuration import compose
from ajuste_fino.runs.resume import newest
from ajuste_fino.runs.train import train
from ajuste_fino.runs.unchanged import require_same
from tests.conftest import draw_folder

SAME = ("bundle/model.safetensors", "bundle/bundle.json", "predictions_test.csv", "metrics.csv", "split.csv")
SMALL = ("backbone=embedded", "workers=0", "batch_size=8", "callbacks.last.seconds=0", "data.image_size=32")
LADDER = (
    "phases=ladder",
    "phases.schedule=[{train_from: head, epochs: 1}, {train_from: block3, epochs: 1, backbone_lr_mult: 0.5, views: 2}]",
)
COMBINATIONS = {
    "head": ("epochs=2", "features.views=3", "mixup=0.5", "label_smoothing=0.1", "head.hidden=8"),
    "ladder": (*LADDER, "mixup=0.3", "label_smoothing=0.1"),
    "ladder, BatchNorm trained": (*LADDER, "phases.batchnorm=train", "cutmix=1", "optimizer=momentum"),
    "full": ("phases=full", "epochs=1", "features.views=2"),
    "live, workers": ("features.mode=live", "epochs=1", "features.views=2", "workers=2"),
    "sampler, accumulated": ("imbalance=sampler", "trainer.accumulate_grad_batches=2", "epochs=2", "batch_size=5"),
    "backprop": ("head=backprop", "epochs=1", "optimizer=sgd"),
    "scratch": ("backbone=cnn", "phases=scratch", "epochs=1", "trainer.gradient_clip_val=0.1"),
    "early, workers": ("epochs=9", "patience=1", "optimizer.lr=0.3", "workers=2", "monitor=val/accuracy"),
    "warmup": ("schedule=warmup", "epochs=2", "callbacks.average=null"),
}


class Killed(BaseException):
    """What nobody catches."""


@pytest.fixture(autouse=True)
def no_figures(monkeypatch):
    """They take half of the time."""
    monkeypatch.setattr(plots, "save", lambda figure, path: None)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return draw_folder(tmp_path_factory.mktemp("resume") / "photos", each=10)


@cache
def composed(*overrides):
    """To go on with a run takes the same keys each time, and to compose them half of the time."""
    return compose("train", overrides)


def run(*overrides):
    """Train in this process; the run folder."""
    cfg = deepcopy(composed(*map(str, overrides)))
    train(cfg, Path(cfg.out))
    return Path(cfg.out)


def keys(images, out, *more):
    return ("data=folder", f"data.root={images}", f"out={out}", *SMALL, *more)


def killed(number, *overrides):
    """Train, and kill it after so many checkpoints, but not after the last one; whether it was killed."""
    with pytest.MonkeyPatch.context() as patch:
        save, left = LastCheckpoint.save, [number]

        def saved(self, trainer):
            save(self, trainer)
            left[0] -= 1
            if not left[0]:
                raise Killed

        patch.setattr(LastCheckpoint, "save", saved)
        patch.setattr(LastCheckpoint, "on_train_end", lambda self, trainer, module: save(self, trainer))
        try:
            run(*overrides)
        except Killed:
            return True
    return False


def same(one, other, names=SAME):
    return [name for name in names if (one / name).read_bytes() != (other / name).read_bytes()] == []


@pytest.fixture(scope="module")
def stopped(images, tmp_path_factory):
    """A run killed within its second epoch, and one that was not; both in one folder."""
    folder = tmp_path_factory.mktemp("stopped")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "save", lambda figure, path: None)
        run(*keys(images, folder / "whole", "epochs=2", "patience=2"))
        assert killed(4, *keys(images, folder / "run", "epochs=2", "patience=2"))
    return folder


@pytest.fixture
def copy(stopped, tmp_path):
    """A copy of the stopped run, in another place."""
    return Path(shutil.copytree(stopped / "run", tmp_path / "run"))


@pytest.mark.parametrize("name", COMBINATIONS)
def test_stopped_after_every_checkpoint_it_is_the_same(images, tmp_path, name):
    whole = run(*keys(images, tmp_path / "whole", *COMBINATIONS[name]))
    stops, out = 1, tmp_path / "run"
    assert killed(1, *keys(images, out, *COMBINATIONS[name]))
    while killed(1, f"resume={out}"):
        stops += 1
    assert same(whole, out)
    assert stops >= 2
    numbers = [json.loads((one / "metrics.json").read_text()) for one in (whole, out)]
    assert len({str({k: v for k, v in one.items() if not k.startswith(("time/", "cache/"))}) for one in numbers}) == 1


@pytest.mark.parametrize("place", ["training_step", "on_validation_epoch_end", "on_train_epoch_end"])
def test_killed_between_two_checkpoints_it_is_the_same(images, stopped, tmp_path, monkeypatch, place):
    """Also where best.ckpt and metrics.csv are further than last.ckpt."""
    real, calls = getattr(Classifier, place), [0]

    def at_the_second(self, *args):
        calls[0] += 1
        if calls[0] == (6 if place == "training_step" else 2):
            raise Killed
        return real(self, *args)

    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(Classifier, place, at_the_second)
        with pytest.raises(Killed):
            run(*keys(images, out, "epochs=2", "callbacks.last.seconds=1000"))
    assert same(stopped / "whole", run(f"resume={out}"))


def test_the_best_epoch_is_known_under_any_name_of_the_folder(images, tmp_path, monkeypatch):
    """Where the first epoch is the best: relative, moved, through a link."""
    monkeypatch.chdir(tmp_path)
    worse = ("epochs=3", "optimizer.lr=5", "optimizer=sgd", "callbacks.average=null", "seed=1")
    whole = run(*keys(images, tmp_path / "whole", *worse))
    assert json.loads((whole / "metrics.json").read_text())["epoch"] < 3
    assert killed(1, *keys(images, "relative", *worse))
    killed(3, "resume=relative")
    (tmp_path / "relative").rename("moved")
    killed(2, f"resume={tmp_path / 'moved'}")
    (tmp_path / "link").symlink_to("moved")
    assert same(whole, run("resume=link"))


def test_more_epochs(images, stopped, tmp_path):
    """Of a run that was finished: as if it had had them from the beginning, where the rate does not depend on their number."""
    constant = ("schedule=constant", "features.views=2")
    whole = run(*keys(images, tmp_path / "whole", *constant, "epochs=3"))
    run(*keys(images, tmp_path / "run", *constant, "epochs=2"))
    before = (tmp_path / "run" / "metrics.csv").read_bytes()
    out = run(f"resume={tmp_path / 'run'}", "epochs=3", "workers=2")
    assert (out / "metrics.csv").read_bytes().startswith(before)
    assert same(whole, out)


@pytest.mark.parametrize("early", [False, True])
def test_a_finished_run_trains_nothing_more(cli, images, stopped, tmp_path, monkeypatch, early):
    out = tmp_path / "run"
    if early:
        run(*keys(images, out, *COMBINATIONS["early, workers"]))
    else:
        shutil.copytree(stopped / "whole", out)
    whole = Path(shutil.copytree(out, tmp_path / "whole"))
    monkeypatch.setattr(Classifier, "training_step", lambda self, batch, index: 1 / 0)
    code, _, err = cli("train", f"resume={out}")
    assert (code, "Nothing was left to train" in err) == (0, True), err
    assert same(whole, out)


def damage(path, at):
    content = bytearray(path.read_bytes())
    if at is None:
        del content[len(content) // 2 :]
    else:
        content[int(at * (len(content) - 1))] ^= 1 << (int(at * 1000) % 8)
    path.write_bytes(content)


@pytest.mark.parametrize("at", [None, 0.5])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(cli, stopped, copy, at):
    damage(copy / "checkpoints" / "last.ckpt", at)
    code, _, err = cli("train", f"resume={copy}")
    assert (code, "last.ckpt is not as it was written. The checkpoint before it is taken instead." in err) == (0, True), err
    assert same(stopped / "whole", copy)


def test_damage_anywhere_is_seen(copy):
    path = copy / "checkpoints" / "last.ckpt"
    good = path.read_bytes()
    for n in range(200):
        damage(path, n / 199)
        with pytest.raises(Damaged):
            load_checkpoint(path)
        path.write_bytes(good)
        path.write_bytes(good[: len(good) * n // 200])
        with pytest.raises(Damaged):
            load_checkpoint(path)
        path.write_bytes(good)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ["last.ckpt", "previous.ckpt"],
            "needs a checkpoint that is as it was written, and all are damaged. Start the run again",
        ),
        (["best.ckpt"], "must be as it was written: it has the best epoch so far. Start the run again"),
    ],
)
def test_what_cannot_be_gone_on_from(cli, copy, names, message):
    for name in names:
        damage(copy / "checkpoints" / name, 0.3)
    code, _, err = cli("train", f"resume={copy}")
    assert (code, message in err, "is taken instead" not in err or len(names) == 2) == (2, True, True), err


def test_the_best_epoch_must_be_there(copy):
    (copy / "checkpoints" / "best.ckpt").unlink()
    with pytest.raises(UserError, match="must be there: it has the best epoch so far"):
        newest(copy)


@pytest.mark.parametrize("split", [True, False])
def test_without_a_checkpoint_it_starts_again(cli, stopped, copy, split):
    shutil.rmtree(copy / "checkpoints")
    (copy / "metrics.csv").unlink()
    split or (copy / "split.csv").unlink()
    code, _, err = cli("train", f"resume={copy}")
    assert (code, "has no checkpoint yet: the run starts again" in err) == (0, True), err
    assert same(stopped / "whole", copy)


CHANGES = [
    {
        "optimizer.lr=0.5": "optimizer.lr: 0.001 → 0.5",
        "batch_size=9": "batch_size: 8 → 9",
        "seed=1": "seed: 0 → 1",
        "epochs=1": "epochs: 2 → 1",
        "patience=9": "patience: 2 → 9",
    },
    {
        "monitor=val/accuracy": "monitor: null → val/accuracy",
        "imbalance=weights": "imbalance: none → weights",
        "mixup=0.4": "mixup: null → 0.4",
        "label_smoothing=0.1": "label_smoothing: null → 0.1",
    },
    {
        "data.root=.": "data.root: ",
        "data.val=0.3": "data.val: ",
        "data.folds=3": "data.folds: null → 3",
        "features.mode=live": "features.mode: cached → live",
        "features.views=2": "features.views: null → 2",
        "head.dropout=0.1": "head.dropout: 0.5 → 0.1",
    },
    {"optimizer=sgd": "optimizer._target_: ", "schedule=constant": "schedule._target_: "},
    {"head=backprop": "head.engine._target_: absent → ajuste_fino", "phases.lr_decay=0.5": "phases.lr_decay: 1.0 → 0.5"},
    {"phases=full": "phases.schedule: ", "backbone.weights=none": "backbone.weights: "},
    {
        "callbacks.average=null": "callbacks.average.decay: 0.8 → absent",
        "callbacks.early_stopping=null": "callbacks.early_stopping.patience: 2 → absent",
    },
    {
        "+callbacks.lr._target_=lightning.pytorch.callbacks.LearningRateMonitor": "callbacks.lr._target_: absent → lightning",
        "trainer.accumulate_grad_batches=2": "trainer.accumulate_grad_batches: 1 → 2",
    },
]


@pytest.mark.parametrize("changes", CHANGES, ids=lambda changes: " ".join(changes))
def test_changed_keys_are_refused(stopped, changes):
    with pytest.raises(UserError) as refused:
        require_same(compose("train", [f"resume={stopped / 'run'}", *changes]), stopped / "run")
    assert "goes on as it began" in str(refused.value)
    assert [line for line in changes.values() if f"\n  {line}" not in str(refused.value)] == []


def test_a_number_that_happens_to_be_that_of_epochs_is_no_schedules(stopped):
    with pytest.raises(UserError, match="1 key .*\n  patience: 2 → 4"):
        run(f"resume={stopped / 'run'}", "epochs=4", "patience=4", "callbacks.early_stopping.patience=2")


def test_a_phase_that_is_over_gets_no_more_epochs(images, tmp_path):
    ladder = "phases.schedule=[{train_from: head}, {train_from: block3, epochs: 1, backbone_lr_mult: 0.5}]"
    assert killed(3, *keys(images, tmp_path / "run", "phases=ladder", ladder, "epochs=1"))
    with pytest.raises(UserError, match="is the length of a phase that is over.*Pass epochs=1"):
        run(f"resume={tmp_path / 'run'}", "epochs=2")


def test_keys_that_decide_nothing_are_taken(stopped, copy):
    harmless = ("workers=2", "callbacks.last.seconds=9", f"out={copy}", "callbacks.progress=null", "+logger.x=null")
    assert same(stopped / "whole", run(f"resume={copy}", *harmless))


@pytest.mark.parametrize("change", ["changed", "gone", "new"])
def test_other_images_are_refused_before_they_are_decoded(images, tmp_path, monkeypatch, change):
    mine = shutil.copytree(images, tmp_path / "photos")
    assert killed(1, *keys(mine, tmp_path / "run", "epochs=2"))
    if change == "new":
        shutil.copy(mine / "1" / "00.png", mine / "1" / "x.png")
    elif change == "gone":
        (mine / "1" / "00.png").unlink()
    else:
        with (mine / "1" / "00.png").open("ab") as file:
            file.write(b"x")
    monkeypatch.setattr("ajuste_fino.runs.prepare._decode", None)
    with pytest.raises(UserError, match="1/[0x].*png: " + change):
        run(f"resume={tmp_path / 'run'}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["resume=RUN/checkpoints"], "resume must be the folder of a run of train"),
        (["resume=RUN/checkpoints/last.ckpt"], "Did you mean resume=RUN?"),
        (["resume=TMP"], "resume must be the folder of a run of train"),
        (["resume=TMP/none"], "resume must be an existing path"),
        (["resume="], "resume must not be empty"),
        (["resume=latest"], "needs a run in TMP/runs, and there is none"),
        (["resume=RUN", "config=RUN"], "resume cannot be given with config"),
        (["resume=RUN", "out=TMP/other"], "out cannot be given with resume"),
        (["-m", "resume=RUN", "seed=0,1"], "resume goes on with one run, and -m begins several"),
    ],
)
def test_what_is_no_run_to_go_on_with(cli, stopped, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    places = {"RUN": str(stopped / "run"), "TMP": str(tmp_path)}
    for name, place in places.items():
        arguments, message = [one.replace(name, place) for one in arguments], message.replace(name, place)
    code, _, err = cli("train", *arguments)
    assert (code, message in err, sorted(tmp_path.iterdir())) == (2, True, before), err


def test_a_search_goes_on_by_its_folder(cli, stopped, tmp_path):
    code, _, err = cli("sweep", f"resume={stopped / 'run'}")
    assert (code, "resume goes on with one run of train" in err) == (2, True), err


def test_latest_is_the_run_that_last_wrote_a_checkpoint(cli, stopped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for n, name in enumerate(("older", "newer", "older still")):
        shutil.copytree(stopped / "run", tmp_path / "runs" / name)
        for path in (tmp_path / "runs" / name).rglob("*"):
            os.utime(path, (n % 2 * 100 + 10**9,) * 2)
    code, _, err = cli("train", "resume=latest")
    assert (code, "resume=latest is runs/newer" in err) == (0, True), err
    assert (tmp_path / "runs" / "newer" / "bundle").is_dir()


def test_from_python(stopped, copy, images):
    with pytest.raises(UserError, match="cannot be given with resume"):
        fine_tune(images, resume=str(copy))
    model = fine_tune(resume=copy)
    assert same(stopped / "whole", copy)
    assert model.predict(next(images.rglob("*.png"))).label in ("1", "2", "10")


def test_what_a_killed_process_left_is_gone(copy):
    left = [copy / name for name in ("checkpoints/.best.ckpt.1a.tmp", ".config.yaml.2.tmp", "bundle/.bundle.json.x.tmp")]
    for path in left:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"part")
    run(f"resume={copy}")
    assert [path for path in left if path.exists()] == []
    assert list(copy.rglob("*.tmp")) == []


def test_rows_that_were_cut_off_are_not_kept(stopped, copy):
    with (copy / "metrics.csv").open("ab") as file:
        file.write(b"1")  # of a row "12,…"
    assert same(stopped / "whole", run(f"resume={copy}"))
    assert [row["epoch"] for row in read_csv(copy / "metrics.csv")] == ["1", "2"]


HOLD = "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX); print(flush=True); input()"


@pytest.mark.skipif(locks.fcntl is None, reason="a system without such locks")
def test_two_processes_in_one_run_folder(cli, stopped, copy):
    other = subprocess.Popen([sys.executable, "-c", HOLD, str(copy)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    other.stdout.readline()
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    code, _, err = cli("train", f"resume={copy}")
    assert (code, "is in use: another process trains in that folder" in err) == (2, True), err
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before
    other.kill()
    other.communicate()
    assert same(stopped / "whole", run(f"resume={copy}"))


@pytest.mark.skipif(locks.fcntl is None, reason="a system without such locks")
def test_a_forked_process_does_not_keep_the_lock(tmp_path):
    with locks.own_folder():
        locks.lock(tmp_path)
        reader, writer = os.pipe()
        if not (child := os.fork()):
            os.write(writer, b"begun")
            time.sleep(20)
            os._exit(0)
        os.read(reader, 5)
    try:
        with locks.own_folder():
            locks.lock(tmp_path)  # though the child lives
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


STOPS = [("prepare.data_module", KeyboardInterrupt), ("train.probabilities", SystemExit(143))]


@pytest.mark.parametrize(("place", "stop"), STOPS)
def test_who_is_stopped_is_told_how_to_go_on(cli, images, stopped, tmp_path, monkeypatch, stop, place):
    """Before there is a checkpoint, as the maps of a trunk are computed, and after training."""

    def stopping(*_):
        raise stop

    out = tmp_path / "a run"
    with monkeypatch.context() as patch:
        patch.setattr(f"ajuste_fino.runs.{place}", stopping)
        code, _, err = cli("train", *keys(images, out, "epochs=2"))
    assert code == (130 if stop is KeyboardInterrupt else 143)
    assert f"Go on: ajuste-fino train 'resume={out}'" in err
    assert same(stopped / "whole", run(f"resume={out}"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_the_end_of_a_step(images, stopped, tmp_path, monkeypatch, number):
    """The checkpoint is written at that step, however seldom one is due."""
    real, out = Classifier.training_step, tmp_path / "run"

    def signalled(self, batch, index):
        if (self.current_epoch, index) == (0, 1):
            signal.getsignal(number)(number, None)  # real signals have real processes, in test_signals.py
        return real(self, batch, index)

    def leave(*_):
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(143)

    before = signal.signal(number, leave)
    try:
        with monkeypatch.context() as patch, pytest.raises((KeyboardInterrupt, SystemExit)) as left:
            patch.setattr(Classifier, "training_step", signalled)
            run(*keys(images, out, "epochs=2", "callbacks.last.seconds=1000"))
    finally:
        signal.signal(number, before)
    assert f"Go on: ajuste-fino train resume={out}" in left.value.__notes__
    found = newest(out)
    assert (found.epoch, found.batch) == (0, 2)
    assert same(stopped / "whole", run(f"resume={out}"))


def test_a_second_signal_is_obeyed_at_once():
    got, stops = [], Stops()
    before = signal.signal(signal.SIGTERM, lambda *_: got.append(1))
    try:
        stops.hold()
        signal.getsignal(signal.SIGTERM)(signal.SIGTERM, None)
        assert (got, stops.pending is not None) == ([], True)
        signal.getsignal(signal.SIGTERM)(signal.SIGTERM, None)
        assert got == [1]
    finally:
        stops.release()
        signal.signal(signal.SIGTERM, before)


def test_other_frozen_weights_are_refused(images, tmp_path):
    tensors, file, out = architecture("embedded", True).pretrained(), tmp_path / "w.safetensors", tmp_path / "run"
    save_file(tensors, file)
    assert killed(3, *keys(images, out, "epochs=4", f"backbone.weights={file}"))
    save_file({name: tensor * 1.01 if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}, file)
    with pytest.raises(UserError, match="needs the frozen weights that the run began with"):
        run(f"resume={out}")


def test_a_second_name_leaves_no_third(tmp_path):
    last, previous = tmp_path / "last.ckpt", tmp_path / "previous.ckpt"
    last.write_text("one")
    for _ in range(2):  # a process that is killed in between leaves both names to one file
        replace_by_link(last, previous)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["last.ckpt", "previous.ckpt"]
