"""The feature cache: stale, damaged, shared by two runs, written while the clock goes back."""

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hazards.material import KEYS, flip_bit, fresh, photos, predictions, trained
from hazards.registry import Outcome, hazard, steps
from hazards.shell import run, start


def misses(root: Path, out: Path, *keys: str) -> int:
    """How many images a run passes through the backbone."""
    return json.loads((trained(root, out, *keys) / "metrics.json").read_text())["cache/misses"]


CHANGES = ("pixel", "backbone.weights=none", "data.image_size=48", "features.precision=bf16", "features.pool=2")


@hazard("stale-cache", "always a miss", size=5, quick=2, seconds=10)
def stale_cache(work, size, rng):
    """A pixel changes at equal size and time; weights, size, precision or pool change"""
    root, stale = photos(work / "bmp", rng, suffix=".bmp"), []
    whole = misses(root, work / "first")
    for n, change in enumerate(steps(CHANGES[:size])):
        if change == "pixel":
            touch_pixel(next(root.rglob("*.bmp")))
        found = misses(root, work / f"run{n}", *([] if change == "pixel" else [change]))
        if found != (1 if change == "pixel" else whole):
            stale.append(f"{change}: {found} misses")
    return Outcome(not stale and whole == 36, "; ".join([f"{size - len(stale)} of {size} changes seen", *stale]))


def touch_pixel(path: Path) -> None:
    before, content = path.stat(), bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def cut(path: Path, rng: np.random.Generator) -> None:
    path.write_bytes(path.read_bytes()[: rng.integers(path.stat().st_size)])


def zero(path: Path, rng: np.random.Generator) -> None:
    content, length = bytearray(path.read_bytes()), int(rng.integers(1, 4096))
    start = int(rng.integers(len(content)))
    content[start : start + length] = bytes(len(content[start : start + length]))
    path.write_bytes(content)


def scribble(path: Path, rng: np.random.Generator) -> None:
    path.write_bytes(rng.bytes(int(rng.integers(1, 5000))))


DAMAGES: tuple[Callable, ...] = (flip_bit, cut, zero, scribble, lambda path, rng: path.unlink())


@hazard("damaged-cache", "the same predictions, or a message, 300 of 300", size=300, quick=3, seconds=120)
def damaged_cache(work, size, rng):
    """Bits flipped, ends cut off, blocks of zeros, noise, files deleted: then predict, and at every sixth place train"""
    root, whole, cache = photos(work / "photos", rng, each=12), work / "whole", work / "cache"
    for n in range(3):  # three shards
        photos(root, rng, each=8 * (n + 2)) if n else None
        first = trained(root, work / f"first{n}", XDG_CACHE_HOME=str(whole))
    expected = table(first, root, work / "expected.csv", whole)
    wrong, refused = [], 0
    for n in steps(range(size)):
        files = sorted(path for path in fresh(cache, whole).rglob("*") if path.is_file())
        path, damage = files[rng.integers(len(files))], DAMAGES[n % len(DAMAGES)]
        damage(path, rng)
        got, done = table(first, root, work / "got.csv", cache), None
        if n % 6 == 0:  # not 5, or it would always be the same damage
            out = work / "again"
            shutil.rmtree(out, ignore_errors=True)
            done = run("train", *KEYS, f"data.root={root}", f"out={out}", XDG_CACHE_HOME=str(cache))
            refused += done.code != 0
        bad = done and not (done.clean and (done.code or predictions(out) == predictions(first)))
        if got != expected or bad:
            wrong.append(f"{path.name[:12]} at {n}: {done.last if bad else got[-200:]}")
    return Outcome(not wrong, "; ".join([f"{size - len(wrong)} of {size} the same, {refused} refused", *wrong[:3]]))


def table(run_folder: Path, root: Path, csv: Path, cache: Path) -> str:
    """What `predict` says of all images, or why not."""
    csv.unlink(missing_ok=True)
    done = run("predict", f"run={run_folder}", f"images={root}", f"csv={csv}", XDG_CACHE_HOME=str(cache))
    return csv.read_text() if done.code == 0 and done.clean else done.last


@hazard("two-runs-one-cache", "survivor and a third run right, no litter left", size=20, quick=1, seconds=80)
def two_runs_one_cache(work, size, rng):
    """Two runs fill one cache, one is killed at a random time"""
    root, wrong = photos(work / "photos", rng, each=40, side=64), []
    expected = predictions(trained(root, work / "alone", XDG_CACHE_HOME=str(work / "own")))
    for n in steps(range(size)):
        cache = work / f"cache{n}"
        keys = ("train", *KEYS, f"data.root={root}")
        both = [start(*keys, f"out={work / f'{name}{n}'}", XDG_CACHE_HOME=str(cache)) for name in ("killed", "left")]
        time.sleep(rng.uniform(0.1, 1.5))
        both[0].kill()
        ends = [running.wait() for running in both]
        trained(root, work / f"third{n}", XDG_CACHE_HOME=str(cache))
        litter = [path.name for path in cache.rglob("*.tmp")]
        same = all(predictions(work / f"{name}{n}") == expected for name in ("left", "third") if not ends[1].code)
        if ends[1].code or not same or litter:
            wrong.append(f"exit code {ends[1].code}, {'same' if same else 'other'} predictions, left over: {litter}")
    return Outcome(not wrong, "; ".join([f"{size - len(wrong)} of {size}", *wrong[:3]]))


def years_ago() -> None:
    back(lambda real, begun: real - 10 * 365 * 86400)


def backwards() -> None:
    back(lambda real, begun: begun - 100 * (real - begun))


def back(change: Callable[[float, float], float]) -> None:
    """Let every look at the clock of the day show another time."""
    real, begun = time.time, time.time()
    time.time = lambda: change(real(), begun)
    time.time_ns = lambda: int(time.time() * 1e9)


@hazard("clock-set-back", "the same predictions, no time below zero, nothing thrown away", size=3, quick=2, seconds=8)
def clock_set_back(work, size, rng):
    """Files from the future; a clock ten years back; a clock that goes backwards while a run is at work"""
    root, cache = photos(work / "photos", rng), Path(os.environ["XDG_CACHE_HOME"])
    expected, wrong = predictions(trained(root, work / "first")), []
    later = time.time() + 10 * 365 * 86400
    for name, before in steps([("backwards", backwards), ("future", None), ("past", years_ago)][:size]):
        if name == "future":
            for path in [*root.rglob("*"), *cache.rglob("*")]:
                os.utime(path, (later, later))
        done = run("train", *KEYS, f"data.root={root}", f"out={work / name}", before=before)
        pruned = run("cache", "prune", "limit_gb=1", before=before)
        found = json.loads((work / name / "metrics.json").read_text()) if done.code == 0 else {}
        negative = [key for key, value in found.items() if key.startswith("time/") and value < 0]
        hit = found.get("cache/hit") and list(cache.rglob("*.npy"))
        if done.code or pruned.code or negative or not hit or predictions(work / name) != expected:
            wrong.append(f"{name}: exit codes {done.code} and {pruned.code}, {negative}, {done.last}")
    return Outcome(not wrong, "; ".join([f"{size - len(wrong)} of {size}", *wrong]))
