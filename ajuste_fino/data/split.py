"""Split samples into train, validation and test."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ajuste_fino.console import log
from ajuste_fino.data.file_names import FileNames
from ajuste_fino.data.group import groups, stratified_group_split
from ajuste_fino.data.names import split_named
from ajuste_fino.data.sample import Sample
from ajuste_fino.data.scan_result import ScanResult
from ajuste_fino.errors import UserError, counted, preview
from ajuste_fino.files import write_csv
from ajuste_fino.own_tables import SPLIT
from ajuste_fino.tables import Row, Table, read_table, unquoted


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


def refuse_mixed(table: object, found: ScanResult) -> None:
    """Refuse a table that gives a split for some of its images.

    Raises:
        UserError: where it does, with the lines of the others.
    """
    if found.unsplit:
        fix = f"Without one:\n{preview(found.unsplit)}"
        raise UserError(str(table), "must give a split for every image or for none", fix=fix)


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


def apply_split_file(samples: list[Sample], path: Path) -> tuple[list[Sample], list[str]]:
    """The samples in the splits of a `split.csv`, and the files it does not know, which are left out.

    Raises:
        UserError: where it names a file that is not there, gives one no split or two, or is no such table.
    """
    table = read_table(path, ("file", "split"), " A table of file,label alone is for data.root.")
    names = FileNames(sample.file for sample in samples)
    splits: dict[str, tuple[str, int]] = {}  # and the line that says so
    found, missing = list[tuple[Row, str]](), list[str]()
    for row, file, split in _given(table):
        if (sample := names.find(file)) is None:
            missing.append(file)
            continue
        first, line = splits.setdefault(sample, (split, row.line))
        if first != split:
            what = f"puts {file} into {split}, line {line} into {first}"
            raise table.refuse(row, "must give every file one split", what, "Keep the row that is right.")
        found.append((row, sample))
    if missing:
        fix = f"Bring them back or drop them from the file:\n{preview(missing)}"
        raise UserError(f"data.split={path}", "names images that data.root lacks", got=len(missing), fix=fix)
    _warn_of_labels(samples, table, found)
    kept = [replace(sample, split=splits[sample.file][0]) for sample in samples if sample.file in splits]
    return kept, sorted(names.names - splits.keys())


def _warn_of_labels(samples: list[Sample], table: Table, found: list[tuple[Row, str]]) -> None:
    """Its labels are not read; where they are others, somebody may have meant to correct them."""
    if "label" not in table.columns:
        return
    labels = {sample.file: sample.label for sample in samples}
    given = ((row, labels[file], row.cells.get("label", "")) for row, file in found)
    other = [
        f"line {row.line}: {label}, not {there}" for row, label, there in given if there.strip() not in ("", label.strip())
    ]
    if other:
        what = f"gives {counted(len(other), 'image')} another label than data.root, whose labels count"
        log.warning(f"data.split={table.path} {what}:\n{preview(other)}")


def _given(table: Table) -> Iterator[tuple[Row, str, str]]:
    """Each row, its file and its split; "" where no row has one."""
    some = any(row.cells.get("split", "").strip() for row in table.rows)
    for row in table.rows:
        file, name = row.cells.get("file", ""), unquoted(row.cells.get("split", "")).strip()
        split = split_named(name, table.path, row.line)
        if not file.strip():
            raise table.refuse(row, "must name a file in every row", "has none")
        if some and not split:
            raise table.refuse(row, "must give a split for every image or for none", f"has none for {file}")
        yield row, file, split


def write_split(path: Path, samples: list[Sample]) -> None:
    write_csv(path, SPLIT, ((s.file, s.label, s.split, s.sha256) for s in samples))
