"""Split samples into train, validation and test."""

import hashlib
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from ajuste_fino.data.group import groups, stratified_group_split
from ajuste_fino.data.names import split_named
from ajuste_fino.data.sample import Sample
from ajuste_fino.errors import UserError, preview
from ajuste_fino.files import read_csv, write_csv


def split(samples: list[Sample], val: float, test: float, seed: int) -> list[Sample]:
    """Give each sample a split, class by class; splits that are there stay.

    Without any split, `val` and `test` are taken out of each class; with a train split but none for validation, `val` is
    taken out of train. Copies of one image go to one side, and so does a group. Places are drawn by the contents of a
    class (or the names of groups) and the seed, so order and machine do not matter.
    """
    present = {sample.split for sample in samples} - {""}
    if present:
        _refuse_unassigned(samples)
    if "val" in present:
        return samples
    fixed = [sample for sample in samples if sample.split == "test"]
    free = [sample for sample in samples if sample.split != "test"]
    test = 0.0 if fixed or "train" in present else test
    return fixed + (_by_group if any(sample.group for sample in samples) else _stratified)(free, val, test, seed)


def _by_group(samples: list[Sample], val: float, test: float, seed: int) -> list[Sample]:
    shares = {"train": 1 - val - test, "val": val, **({"test": test} if test else {})}
    sides = stratified_group_split(samples, shares, seed, keep="train")
    return [replace(sample, split=sides[unit]) for sample, unit in zip(samples, groups(samples), strict=True)]


def _refuse_unassigned(samples: list[Sample]) -> None:
    bare = [sample.file for sample in samples if not sample.split]
    if bare:
        raise UserError("split", "must be given for every image or for none", fix=f"Without one:\n{preview(bare)}")


def _stratified(samples: list[Sample], val: float, test: float, seed: int) -> list[Sample]:
    by_label: dict[str, set[str]] = defaultdict(set)
    for sample in samples:
        by_label[sample.label].add(sample.sha256)
    side = {}
    for contents in by_label.values():
        order = sorted(contents, key=lambda content: hashlib.sha256(f"{seed} {content}".encode()).digest())
        tests, vals = _shares(len(order), test, val)
        for place, content in enumerate(order):
            side[content] = "test" if place < tests else "val" if place < tests + vals else "train"
    return [replace(sample, split=side[sample.sha256]) for sample in samples]


def _shares(count: int, test: float, val: float) -> tuple[int, int]:
    """How many of `count` go to test and to validation: at least one each while train keeps at least one."""
    tests = min(max(round(count * test), 1), count - 1) if test else 0
    vals = min(max(round(count * val), 1), count - 1 - tests)
    return tests, vals


def apply_split_file(samples: list[Sample], table: Path) -> tuple[list[Sample], list[str]]:
    """The samples in the splits of a `split.csv`, and the files it does not know, which are left out."""
    rows = {row["file"]: row for row in read_csv(table) if row.get("file")}
    known = {sample.file for sample in samples}
    missing = [file for file in rows if file not in known]
    if missing:
        fix = f"Bring them back or drop them from the file:\n{preview(missing)}"
        raise UserError(f"data.split={table}", "names images that data.root lacks", got=len(missing), fix=fix)
    kept = [
        replace(s, split=split_named(rows[s.file].get("split", ""), f"{table}, {s.file}")) for s in samples if s.file in rows
    ]
    return kept, sorted(known - rows.keys())


def write_split(path: Path, samples: list[Sample]) -> None:
    write_csv(path, ("file", "label", "split", "sha256"), ((s.file, s.label, s.split, s.sha256) for s in samples))
