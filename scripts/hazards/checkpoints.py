"""Checkpoints: written while the process is killed or the disk is full, and gone on from."""

import re
import time
from functools import partial
from pathlib import Path

import numpy as np

from hazards.material import KEYS, photos, trained
from hazards.registry import Outcome, hazard, steps
from hazards.shell import Running, run, start

ENDLESS = ("epochs=100000", "patience=100000", "head.hidden=512")  # a checkpoint of 13 MB at each epoch


def readable(path: Path) -> bool:
    import torch

    try:
        return bool(torch.load(path, weights_only=True)["state_dict"])
    except Exception:  # torch raises all kinds of errors for a part of a file
        return False


def orphans(folder: Path) -> list[str]:
    """Files of checkpoints that did not take their names."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".ckpt")


def until(running: Running, path: Path, limit: float = 60) -> None:
    """Wait until a command has written a file."""
    end = time.monotonic() + limit
    while not path.exists() and running.process.is_alive() and time.monotonic() < end:
        time.sleep(0.01)
    if not path.exists():
        raise RuntimeError(f"{path.name} was not written: {running.wait().last}")


@hazard("checkpoint-kill", "100 of 100 readable, no orphan file after the next start", size=100, quick=2, seconds=300)
def checkpoint_kill(work, size, rng):
    """SIGKILL while checkpoints are written, half of the times with $TMPDIR on another file system"""
    root, bad, left, before = photos(work / "photos", rng), 0, 0, 0
    for n in steps(range(size)):
        out = work / f"run{n}"
        elsewhere = {"TMPDIR": "/dev/shm"} if n % 2 and Path("/dev/shm").is_dir() else {}
        running = start("train", *KEYS, f"data.root={root}", f"out={out}", *ENDLESS, **elsewhere)
        until(running, out / "checkpoints" / "last.ckpt")
        time.sleep(rng.uniform(0, 0.3))
        running.kill()
        running.wait()
        bad += not all(readable(path) for path in (out / "checkpoints").glob("*.ckpt"))
        before += len(orphans(out / "checkpoints"))
        left += not gone_on(out) or len(orphans(out / "checkpoints"))
    figure = f"{size - bad} of {size} readable, {left} orphan files after the next start, {before} before it"
    return Outcome(not bad and not left, figure)


def gone_on(out: Path) -> bool:
    """Resume a run, and end it again once it trains; whether it did."""
    written = (last := out / "checkpoints" / "last.ckpt").stat().st_mtime_ns
    running, end = start("train", f"resume={out}", "callbacks.last.seconds=0"), time.monotonic() + 60
    while (begun := last.stat().st_mtime_ns != written) is False and running.process.is_alive() and time.monotonic() < end:
        time.sleep(0.05)
    running.stop()
    return running.wait().code == 143 and begun


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
