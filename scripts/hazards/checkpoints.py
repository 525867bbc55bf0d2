"""Checkpoints: written while the process is killed or the disk is full, and gone on from."""

import re
import time
from functools import partial
from pathlib import Path

import numpy as np

from hazards.material import KEYS, flip_bit, photos, trained
from hazards.registry import Outcome, hazard, steps
from hazards.shell import Running, require_key, run, start

ENDLESS = ("epochs=100000", "patience=100000", "head.hidden=512")  # a checkpoint of 13 MB at each epoch


def readable(path: Path) -> bool:
    import torch

    try:
        return bool(torch.load(path, weights_only=True)["state_dict"])
    except Exception:  # torch raises all kinds of errors for a part of a file
        return False


def orphans(folder: Path) -> list[str]:
    """Files of half-written checkpoints."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".ckpt")


def until(running: Running, path: Path, limit: float = 60) -> None:
    """Wait until a command has written a file."""
    end = time.monotonic() + limit
    while not path.exists() and running.process.is_alive() and time.monotonic() < end:
        time.sleep(0.01)
    if not path.exists():
        raise RuntimeError(f"{path.name} was not written: {running.wait().last}")


@hazard("checkpoint-kill", "100 of 100 readable, no orphan file", size=100, quick=2, seconds=150)
def checkpoint_kill(work, size, rng):
    """SIGKILL while checkpoints are written, half of the times with $TMPDIR on another file system"""
    root, bad, left = photos(work / "photos", rng), 0, 0
    for n in steps(range(size)):
        out = work / f"run{n}"
        elsewhere = {"TMPDIR": "/dev/shm"} if n % 2 and Path("/dev/shm").is_dir() else {}
        running = start("train", *KEYS, f"data.root={root}", f"out={out}", *ENDLESS, **elsewhere)
        until(running, out / "checkpoints" / "last.ckpt")
        time.sleep(rng.uniform(0, 0.3))
        running.kill()
        running.wait()
        bad += not all(readable(path) for path in (out / "checkpoints").glob("*.ckpt"))
        left += len(orphans(out / "checkpoints"))
    return Outcome(not bad and not left, f"{size - bad} of {size} readable, {left} orphan files")


@hazard("disk-full", "old file whole, exit code 1, path with bytes needed and free, no part", size=20, quick=2, seconds=40)
def disk_full(work, size, rng):
    """The disk is full, or a quota is: RLIMIT_FSIZE at sizes from 4 kB to the largest file's"""
    root, wrong = photos(work / "photos", rng), []
    whole = trained(root, work / "whole", "head.hidden=256")
    largest = max(path.stat().st_size for path in whole.rglob("*"))
    rewrite = ("predict", f"run={whole}", f"images={root}", f"json={work / 'p.json'}")
    run(*rewrite)
    old = (work / "p.json").read_bytes()
    for n, limit in enumerate(steps(np.geomspace(4096, largest - 1, size).astype(int).tolist())):
        out, cache = work / f"run{n}", work / f"cache{n}"
        keys = (*KEYS, f"data.root={root}", f"out={out}", "head.hidden=256")
        done = run("train", *keys, before=partial(limit_file_size, limit), XDG_CACHE_HOME=str(cache))
        parts = [path for folder in (out, cache) if folder.exists() for path in folder.rglob(".*")]
        told = re.search(r"\S+: File too large \(.* bytes needed\), .* free", done.err)
        again = run(*rewrite, before=partial(limit_file_size, int(rng.integers(len(old) // 2, len(old)))))
        kept = again.code == 1 and (work / "p.json").read_bytes() == old
        if not (done.code == 1 and told and not parts and kept):
            wrong.append(f"{limit} bytes: exit code {done.code}, {len(parts)} parts, old file kept: {kept}, {done.last}")
    return Outcome(not wrong, f"{size - len(wrong)} of {size}{'; ' + wrong[0] if wrong else ''}")


def limit_file_size(limit: int) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


KINDS = (("workers=0",), ("workers=2",), ("phases=full", "workers=0"), ("phases=full", "workers=2"))
VARIED = ("data=folder", "epochs=6", "features.views=3", "head=lecture", "batch_size=8", "features.precision=fp32")


def weights(out: Path) -> bytes:
    return (out / "bundle" / "model.safetensors").read_bytes()


@hazard("resume-kill", "the same weights to the bit, 50 of 50", size=50, quick=1, seconds=200)
def resume_kill(work, size, rng):
    """SIGKILL while training, then resume: dropout and augmentation, workers 0 and 2, frozen and all trained"""
    require_key("train", "resume")
    root, same = photos(work / "photos", rng), 0
    wholes: dict[tuple, bytes] = {}
    for n in steps(range(size)):
        kind, out = KINDS[n % len(KINDS)], work / f"run{n}"
        keys = (*VARIED, f"data.root={root}", *kind)
        if kind not in wholes:
            run("train", *keys, f"out={work / 'whole' / str(n)}")
            wholes[kind] = weights(work / "whole" / str(n))
        running = start("train", *keys, f"out={out}")
        until(running, out / "config.yaml")
        time.sleep(rng.uniform(0, 1))
        running.kill()
        running.wait()
        done = run("train", f"resume={out}")
        same += done.code == 0 and weights(out) == wholes[kind]
    return Outcome(same == size, f"{same} of {size}")


@hazard("damaged-checkpoint", "40 of 40 go on from the one before, and say so", size=40, quick=2, seconds=60)
def damaged_checkpoint(work, size, rng):
    """The newest checkpoint is cut off or has a flipped bit, then the run is resumed"""
    require_key("train", "resume")
    root, good = photos(work / "photos", rng), 0
    for n in steps(range(size)):
        out = work / f"run{n}"
        running = start("train", *KEYS, f"data.root={root}", f"out={out}", "epochs=100000", "patience=100000")
        until(running, out / "checkpoints" / "previous.ckpt")
        running.kill()
        running.wait()
        path = out / "checkpoints" / "last.ckpt"
        if n % 2:
            flip_bit(path, rng)
        else:
            path.write_bytes(path.read_bytes()[: rng.integers(path.stat().st_size)])
        done = run("train", f"resume={out}", "epochs=100")
        good += done.code == 0 and "previous" in done.err
    return Outcome(good == size, f"{good} of {size}")


REFUSED = ("head.hidden=7", "backbone=cnn", "optimizer=sgd", "batch_size=5", "seed=1", "data.val=0.4", "phases=full")
REFUSED += ("data.image_size=48", "features.views=3", "features.precision=bf16", "imbalance=weights", "schedule=step")
HARMLESS = ("workers=1", "callbacks.progress=null", "patience=9")


@hazard("resume-config", "what does not fit refused with old → new, the rest taken", size=15, quick=2, seconds=30)
def resume_config(work, size, rng):
    """A run is resumed with a key changed, one key at a time"""
    require_key("train", "resume")
    root = photos(work / "photos", rng)
    out, wrong = trained(root, work / "run"), []
    for change in steps([*REFUSED, *HARMLESS][-size:]):
        done = run("train", f"resume={out}", change)
        if done.code if change in HARMLESS else not (done.code == 2 and "→" in done.err):
            wrong.append(f"{change}: exit code {done.code}, {done.last}")
    return Outcome(not wrong, f"{size - len(wrong)} of {size}{'; ' + wrong[0] if wrong else ''}")
