"""Processes that are stopped or die, and places where nothing can be written."""

import json
import os
import re
import signal
import subprocess
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from processes import descendants

from hazards.checkpoints import ENDLESS, orphans, readable
from hazards.material import KEYS, draw, photos, predictions, trained
from hazards.registry import Outcome, hazard, steps
from hazards.shell import run, start
from hazards.subject import alive, begin

SIGNALS = [(number, group) for group in (False, True) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]


@hazard("signals", "saved, exit code 128 and the number within 10 s, no child left", size=6, quick=1, seconds=60)
def signals(work, size, rng):
    """SIGTERM, SIGINT and SIGHUP while training, to the process and to its whole group"""
    root, wrong, slowest = photos(work / "photos", rng), [], 0.0
    for n, (number, group) in enumerate(steps(SIGNALS[:size])):
        out = work / f"run{n}"
        process = begin("train", *KEYS, f"data.root={root}", f"out={out}", *ENDLESS)
        while not (out / "checkpoints" / "last.ckpt").exists() and process.poll() is None:
            time.sleep(0.1)
        children, begun = descendants(process.pid), time.perf_counter()
        (os.killpg if group else os.kill)(process.pid, number)
        code, seconds = process.wait(60), time.perf_counter() - begun
        slowest, said = max(slowest, seconds), process.communicate()[1]
        saved = readable(out / "checkpoints" / "last.ckpt") and (out / "bundle" / "SHA256SUMS").exists()
        if code != 128 + number or seconds > 10 or not saved or orphans(out / "checkpoints") or alive(children):
            wrong.append(f"signal {number}: exit code {code} after {seconds:.1f} s, {said[-200:]}")
    return Outcome(not wrong, "; ".join([f"{size - len(wrong)} of {size}, the slowest {slowest:.1f} s", *wrong]))


def pipes(work: Path, root: Path, run_folder: Path) -> dict[str, list[str]]:
    """Commands that find a pipe that nobody writes to, where they look for a file."""
    pipe, there = work / "pipe.csv", photos(work / "piped", np.random.default_rng(0))
    os.mkfifo(pipe)
    os.mkfifo(there / "1" / "pipe.png")
    train = ["train", *KEYS, f"out={work / 'new'}"]
    return {
        "audit": ["audit", f"data.root={there}", f"out={work / 'audit'}"],
        "train": [*train, f"data.root={there}"],
        "predict": ["predict", f"run={run_folder}", f"images={there}"],
        "images=": ["predict", f"run={run_folder}", f"images={pipe}"],
        "data.root=": [*train, f"data.root={pipe}"],
        "backbone.weights=": [*train, f"data.root={root}", f"backbone.weights={pipe}"],
        "run=": ["predict", f"run={pipe}", f"images={root}"],
    }


@hazard("dead-worker", "an error within 60 s that names the file", size=9, quick=4, seconds=20)
def dead_worker(work, size, rng):
    """A decoding process is killed, in audit and in train as beside a GPU; a pipe lies in the folder, or is what a key names"""
    root, large = photos(work / "photos", rng), large_images(work / "large", rng)
    commands = list(pipes(work, root, trained(root, work / "run")).items())[: size - 2]
    wrong = killed(large, "audit", f"out={work / 'audited'}") + killed(large, "train", *KEYS, f"out={work / 'killed'}")
    for name, words in steps(commands):
        done = run(*words, limit=60)
        if done.code != 2 or "pipe" not in done.err or not done.clean:
            wrong.append(f"{name} exit code {done.code} after {done.seconds:.0f} s, {done.last}")
    return Outcome(not wrong, "; ".join([f"{size - len(wrong)} of {size}", *wrong]))


def large_images(root: Path, rng: np.random.Generator) -> Path:
    """Two hundred images that take a second or two to decode."""
    for label in "ab":
        (root / label).mkdir(parents=True)
        draw(rng, side=500).save(root / label / "0.png")
        content = (root / label / "0.png").read_bytes()
        for n in range(1, 100):  # what follows the end of a PNG is not read, but makes another content of it
            (root / label / f"{n}.png").write_bytes(content + str(n).encode())
    return root


def killed(root: Path, *words: str) -> list[str]:
    """What was wrong when a decoding process of a command was killed."""
    running = start(*words, f"data.root={root}", "workers=2", before=as_beside_a_gpu)
    while not (children := descendants(running.process.pid)) and running.process.is_alive():
        time.sleep(0.001)
    for child in children[-1:]:
        os.kill(child, signal.SIGKILL)
    done = running.wait(60)
    named = re.search(r"[ab]/\d+\.png", done.err)
    own = re.split(r"Exception (?:in thread|ignored in)", done.err)[0]  # without what Python says of threads that were cut off
    good = done.code == 1 and named and "Traceback" not in own and "Error:" not in own
    return [] if good else [f"{words[0]} exit code {done.code}, {done.last}"]


def as_beside_a_gpu() -> None:
    """Decode for training by processes, as where another device than the CPU computes."""
    from ajuste_fino.data.loading import LoaderConfig

    LoaderConfig.processes = property(lambda self: self.workers)


@hazard("hash-seeds", "equal metrics, predictions to the byte", size=6, quick=2, seconds=90)
def hash_seeds(work, size, rng):
    """The digits (with less than three seeds, drawn images) under several PYTHONHASHSEEDs, each with a cache of its own"""
    tables, metrics = set(), set()
    data = [f"data.root={photos(work / 'photos', rng)}", *KEYS] if size < 3 else ["workers=0", "epochs=5"]
    for seed in steps(range(size)):
        out, keys = work / f"run{seed}", data
        process = begin("train", *keys, f"out={out}", PYTHONHASHSEED=str(seed), XDG_CACHE_HOME=str(work / f"cache{seed}"))
        said = process.communicate()[1]
        if process.returncode:
            return Outcome(False, f"exit code {process.returncode}, {said[-300:]}")
        tables.add(predictions(out))
        found = json.loads((out / "metrics.json").read_text())
        metrics.add(json.dumps({key: value for key, value in found.items() if not key.startswith("time/")}))
    return Outcome(len(tables) == len(metrics) == 1, f"{len(tables)} tables and {len(metrics)} metrics of {size} seeds")


@contextmanager
def full_disk(folder: Path):
    """A file system without a free byte; None where it may not be made, which takes root's rights."""
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True).returncode == 0
    try:
        if mounted:
            with open(folder / "full", "wb", buffering=0) as file:  # noqa: PTH123  # unbuffered, until it is full
                while file.write(bytes(4096)) == 4096:
                    pass
    except OSError:
        pass
    try:
        yield folder if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", folder], check=True)


@hazard("full-tmpdir", "the same predictions, or a message", size=4, quick=2, seconds=6)
def full_tmpdir(work, size, rng):
    """$TMPDIR is full, missing, a file, or not to be written to"""
    root, wrong = photos(work / "photos", rng), []
    expected = predictions(trained(root, work / "first"))
    (work / "file").touch()
    (work / "closed").mkdir(mode=0o500)
    with full_disk(work / "full") as full:
        cases = {"full": full, "closed": work / "closed", "missing": work / "missing", "a file": work / "file"}
        cases = {name: place for name, place in list(cases.items())[:size] if place}
        for name, place in steps(list(cases.items())):
            done = run("train", *KEYS, f"data.root={root}", f"out={work / name}", before=partial(temporary_in, place))
            right = predictions(work / name) == expected if done.code == 0 else done.clean
            if not right or list(work.joinpath("closed").iterdir()):
                wrong.append(f"{name}: exit code {done.code}, {done.last}")
    return Outcome(not wrong, "; ".join([f"{len(cases) - len(wrong)} of {len(cases)}: {', '.join(cases)}", *wrong]))


def temporary_in(place: Path) -> None:
    """Put temporary files there, as a user without root's rights would see it."""
    os.environ["TMPDIR"] = str(place)
    if os.geteuid() == 0:
        drop_override()


def drop_override() -> None:
    """Give up the right to write where permissions forbid it, which root has."""
    import ctypes

    CAP_DAC_OVERRIDE, VERSION_3 = 1, 0x20080522
    header = (ctypes.c_uint32 * 2)(VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.capget(header, sets) == 0:
        for n in range(2):  # effective and permitted
            sets[n] &= ~(1 << CAP_DAC_OVERRIDE)
        libc.capset(header, sets)
