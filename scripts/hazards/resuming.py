"""Runs that are gone on with: after a kill, from a damaged checkpoint, with a key changed."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hazards.checkpoints import until
from hazards.material import flip_bit, fresh, photos, predictions
from hazards.registry import Outcome, hazard, steps
from hazards.shell import Running, require_key, run, start

SEED = ("data=folder", "features.precision=fp32", "patience=1000", "callbacks.last.seconds=0.1")
RANDOM = ("head.dropout=0.5", "augment=standard", "mixup=0.4", "label_smoothing=0.1", "head.hidden=64")
HEAD = ("backbone=embedded", "features.views=3", "epochs=250")
LADDER = (
    "backbone=embedded",
    "phases=ladder",
    "phases.schedule=[{train_from: head, epochs: 40}, {train_from: block3, epochs: 20, backbone_lr_mult: 0.5, views: 3}]",
)
MODES = (HEAD, LADDER)
RESULTS = ("bundle/model.safetensors", "predictions_test.csv", "metrics.csv")


def keys(root: Path, out: Path, n: int) -> tuple[str, ...]:
    """Those of the n-th try: head and ladder in turns, two of each with 0 and with 2 workers."""
    return (f"data.root={root}", f"out={out}", *SEED, *RANDOM, *MODES[n % 2], f"workers={n // 2 % 2 * 2}")


@hazard("resume-kill", "the same weights to the bit, 50 of 50", size=50, quick=1, seconds=500)
def resume_kill(work, size, rng):
    """SIGKILL while training, then resume: dropout, augmentation, MixUp, workers 0 and 2, a frozen backbone and the ladder"""
    require_key("train", "resume")
    root, wrong, kills, training = photos(work / "photos", rng, each=16), [], 0, 0
    whole = {n: alone(root, work / f"whole{n}", n) for n in range(min(size, len(MODES)))}
    for n in steps(range(size)):
        out, (folder, seconds) = work / f"run{n}", whole[n % len(MODES)]
        running = start("train", *keys(root, out, n))
        for _ in range(1 + n % 3):  # some are killed several times
            killed, trained = kill(running, out, rng.uniform(0, 0.8 * seconds))
            kills, training = kills + killed, training + trained
            running = start("train", f"resume={out}")
        done = running.wait()
        other = [name for name in RESULTS if done.code or (out / name).read_bytes() != (folder / name).read_bytes()]
        if other or list(out.rglob("*.tmp")):
            wrong.append(f"run {n}: exit code {done.code}, other: {', '.join(other)}; {done.last}")
    figure = f"{size - len(wrong)} of {size} the same, {kills} kills, {training} of them after the first checkpoint"
    return Outcome(not wrong and training > 0, "; ".join([figure, *wrong[:3]]))


def alone(root: Path, out: Path, n: int) -> tuple[Path, float]:
    """A run that nobody kills, and how many seconds it trained."""
    running = start("train", *keys(root, out, n))
    until(running, out / "split.csv")
    begun = time.monotonic()
    done = running.wait()
    if done.code:
        raise RuntimeError(f"train ended with {done.code}: {done.last}")
    return out, time.monotonic() - begun


def kill(running: Running, out: Path, seconds: float) -> tuple[bool, bool]:
    """End a run so many seconds after its training began; whether it was at work, and whether there was a checkpoint."""
    until(running, out / "split.csv")
    before = (out / "log.txt").stat().st_size
    while (out / "log.txt").stat().st_size == before and running.process.is_alive():  # it says that it begins, or goes on
        time.sleep(0.01)
    running.process.join(seconds)
    at_work = running.process.is_alive()
    running.kill()
    running.wait()
    return at_work, at_work and (out / "checkpoints" / "last.ckpt").exists()


@hazard("damaged-checkpoint", "40 of 40 go on from the one before, and say so", size=40, quick=2, seconds=60)
def damaged_checkpoint(work, size, rng):
    """The newest checkpoint is cut off or has a flipped bit, then the run is resumed"""
    require_key("train", "resume")
    root, wrong = photos(work / "photos", rng), []
    whole, _ = alone_short(root, work / "whole")
    expected = predictions(whole)
    for n in steps(range(size)):
        out = fresh(work / "run", whole)
        last = out / "checkpoints" / "last.ckpt"
        if n % 2:
            flip_bit(last, rng)
        else:
            last.write_bytes(last.read_bytes()[: rng.integers(last.stat().st_size)])
        done = run("train", f"resume={out}")
        told = "is not as it was written. The checkpoint before it is taken instead." in done.err
        same = done.code == 0 and predictions(out) == expected and all_the_same(out, whole)
        if not (told and same):
            wrong.append(f"{'bit' if n % 2 else 'end'} at {n}: exit code {done.code}, told: {told}; {done.last}")
    return Outcome(not wrong, "; ".join([f"{size - len(wrong)} of {size}", *wrong[:3]]))


def alone_short(root: Path, out: Path) -> tuple[Path, float]:
    done = run("train", f"data.root={root}", f"out={out}", *SEED, *RANDOM, "backbone=embedded", "epochs=3", "workers=0")
    if done.code:
        raise RuntimeError(f"train ended with {done.code}: {done.last}")
    return out, done.seconds


def all_the_same(out: Path, whole: Path) -> bool:
    return all((out / name).read_bytes() == (whole / name).read_bytes() for name in RESULTS)


CHANGES = (
    ("optimizer.lr=0.5", "optimizer.lr: 0.001 → 0.5"),
    ("epochs=5", ""),
    ("batch_size=5", "batch_size: null → 5"),
    ("workers=2", ""),
    ("optimizer=sgd", "optimizer._target_: "),
    ("seed=1", "seed: 0 → 1"),
    ("data.val=0.3", "data.val: "),
    ("features.views=2", "features.views: null → 2"),
    ("head.dropout=0.1", "head.dropout: 0.5 → 0.1"),
    ("phases=full", "phases.schedule: "),
    ("mixup=0", "mixup: 0.4 → 0"),
    ("callbacks.average=null", "callbacks.average.decay: 0.8 → absent"),
    ("monitor=val/accuracy", "monitor: null → val/accuracy"),
    ("callbacks.last.seconds=9", ""),
    ("epochs=2", "epochs: 3 → 2"),
)


@hazard("resume-config", "what does not fit refused with old → new, the rest taken", size=15, quick=2, seconds=20)
def resume_config(work, size, rng):
    """A run is resumed with a key changed, one key at a time"""
    require_key("train", "resume")
    whole, _ = alone_short(photos(work / "photos", rng), work / "whole")
    wrong = list(misjudged(whole, work / "run", CHANGES[:size]))
    return Outcome(not wrong, "; ".join([f"{size - len(wrong)} of {size}", *wrong[:3]]))


def misjudged(whole: Path, out: Path, changes: tuple[tuple[str, str], ...]) -> Iterator[str]:
    """What was wrong with the answer to each change."""
    for change, line in steps(changes):
        fresh(out, whole)
        before = {path: path.read_bytes() for path in np.sort([*out.rglob("*.c*")])}
        done = run("train", f"resume={out}", change)
        if line:
            kept = all(path.read_bytes() == content for path, content in before.items())
            good = done.code == 2 and f"\n  {line}" in done.err and kept
        else:
            good = done.code == 0
        if not good:
            yield f"{change}: exit code {done.code}, {done.last}"
