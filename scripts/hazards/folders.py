"""Folders: what is in them that should not be, and what leaks from one split into another."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from hazards.material import draw, photos, shapes
from hazards.registry import Outcome, hazard, steps
from hazards.shell import run


def notebook(root: Path) -> None:
    (root / ".ipynb_checkpoints").mkdir()
    shutil.copy(root / "1" / "000.png", root / ".ipynb_checkpoints" / "000-checkpoint.png")


def loop(root: Path) -> None:
    (root / "1" / "again").symlink_to(root)


def above_splits(root: Path) -> None:
    photos(root / "inner" / "train", np.random.default_rng(1))
    photos(root / "inner" / "val", np.random.default_rng(2))


def beside_splits(root: Path) -> None:
    photos(root / "train", np.random.default_rng(1))


def link_out(root: Path) -> None:
    draw(np.random.default_rng(3)).save(root.parent / "outside.png")
    (root / "1" / "linked.png").symlink_to(root.parent / "outside.png")


def two_cases(root: Path) -> None:
    photos(root, np.random.default_rng(4), ("A", "a"))


TRAPS = {
    # what is planted, a part of what must be said, the exit code of audit
    ".ipynb_checkpoints": (notebook, ".ipynb_checkpoints", 0),
    "._1.jpg": (lambda root: (root / "1" / "._1.jpg").write_bytes(b"\0\5\x16\7"), "._1.jpg", 0),
    "a link in a loop": (loop, "1/again", 0),
    "an empty class": (lambda root: (root / "3").mkdir(), "none of 3", 2),
    "a root above the splits": (above_splits, "above the splits", 2),
    "classes beside splits": (beside_splits, "side by side", 2),
    "10 before 2": (lambda root: None, "2 comes before 10", 0),
    "A and a": (two_cases, "A, a", 0),
    "text called .jpg": (lambda root: (root / "1" / "x.jpg").write_text("<html>"), "1/x.jpg", 2),
    "an empty file": (lambda root: (root / "1" / "x.jpg").touch(), "1/x.jpg", 2),
    "a pipe": (lambda root: os.mkfifo(root / "1" / "pipe.png"), "1/pipe.png", 2),
    "a broken link": (lambda root: (root / "1" / "gone.png").symlink_to("nowhere"), "1/gone.png", 2),
    "a link out": (link_out, "1/linked.png", 0),
    "two labels": (lambda root: shutil.copy(root / "1" / "000.png", root / "2" / "twin.png"), "2/twin.png", 2),
    "a stray file": (lambda root: (root / "notes.md").touch(), "notes.md", 0),
}


@hazard("folder-traps", "15 of 15 named", size=15, quick=6, seconds=8)
def folder_traps(work, size, rng):
    """One folder a trap: hidden folders, links in a loop, empty classes, a root above the splits …"""
    silent = []
    for n, (name, (plant, said, code)) in enumerate(steps(list(TRAPS.items())[:size])):
        root = photos(work / str(n) / "photos", rng, each=6)
        plant(root)
        done = run("audit", f"data.root={root}", f"out={work / str(n) / 'audit'}", limit=30)
        report = work / str(n) / "audit" / "audit.json"
        found = json.dumps(json.loads(report.read_text())["findings"], ensure_ascii=False) if report.exists() else done.err
        if said not in found or done.code != code or not done.clean:
            silent.append(f"{name}: exit code {done.code}, {done.last}")
    return Outcome(not silent, "; ".join([f"{size - len(silent)} of {size}", *silent]))


def in_splits(root: Path, rng: np.random.Generator) -> Path:
    for split, count in (("train", 30), ("val", 10), ("test", 10)):
        for label in "ab":
            (root / split / label).mkdir(parents=True)
            for n in range(count):
                shapes(rng).save(root / split / label / f"{n}.png")
    return root


def copy_exactly(root: Path, count: int) -> None:
    for n in range(count):
        side = root / ("val" if n % 3 else "test") / "ab"[n % 2]
        shutil.copy(root / "train" / "ab"[n % 2] / f"{n}.png", side / f"copy{n}.png")


def store_anew(root: Path, count: int, rng: np.random.Generator) -> None:
    for n in range(count):
        image = Image.open(root / "train" / "ab"[n % 2] / f"{n}.png")
        scaled = image.resize([round(side * rng.uniform(0.4, 1.5)) for side in image.size])
        path = root / "test" / "ab"[n % 2] / f"copy{n}.{('jpg', 'webp', 'png')[n % 3]}"
        scaled.save(path, quality=int(rng.integers(30, 95)))


@hazard("leakage", "20 of 20 copies an error, at least 18 of 20 stored anew a warning", size=20, quick=20, seconds=6)
def leakage(work, size, rng):
    """The same images in two splits: copied, and scaled, compressed and stored anew"""
    exact, anew = in_splits(work / "exact", rng), in_splits(work / "anew", rng)
    copy_exactly(exact, size)
    store_anew(anew, size, rng)
    copies = found(exact, work / "audit1", "copies across splits", "error")
    near = found(anew, work / "audit2", "near copies across splits", "warning")
    figure = f"{copies} of {size} copies an error, {near} of {size} stored anew a warning"
    return Outcome(copies == size and size * 0.9 <= near <= size, figure)


def found(root: Path, out: Path, trap: str, level: str) -> int:
    """How many files an audit names for a trap, at that level."""
    run("audit", f"data.root={root}", f"out={out}")
    findings = json.loads((out / "audit.json").read_text())["findings"]
    return sum(len(one["files"]) for one in findings if (one["trap"], one["level"]) == (trap, level))


@hazard("many-names", "answers in 60 s with less than 1 GiB", size=100_000, quick=2_000, seconds=30)
def many_names(work, size, rng):
    """A folder of as many empty files, through audit"""
    from hazards.subject import measured

    root = photos(work / "photos", rng)
    for n in range(size):
        (root / "1" / f"empty{n:06}.jpg").touch()
    code, seconds, mib, _ = measured("audit", f"data.root={root}", f"out={work / 'audit'}")
    findings = json.loads((work / "audit" / "audit.json").read_text())["findings"]
    named = sum(len(one["files"]) for one in findings if one["trap"] == "unreadable files")
    reached = code == 2 and seconds < 60 and mib < 1024 and named == size
    return Outcome(reached, f"{size:,} names: {named:,} named, exit code {code}, {seconds:.1f} s, {mib:.0f} MiB")
