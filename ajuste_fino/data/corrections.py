"""`data.corrections`: labels that somebody has looked at and put right in a table, while no file is moved.

The table is a CSV with the columns `file` and `corrected`, such as the `suspects.csv` of `ajuste-fino data` once it is filled
in. A row without a `corrected` label says nothing. One with the name of a class gives its image that label; one with `remove`
leaves its image out. Where the table has a column `sha256`, the image must still have that content. A label must be one that
the images have already: a class is begun by a folder, or by rows of the table of images, not by a correction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ajuste_fino.data.file_names import FileNames
from ajuste_fino.data.sample import Sample
from ajuste_fino.data.scan import scan
from ajuste_fino.data.scan_result import ScanResult
from ajuste_fino.data.sources.source import Root
from ajuste_fino.errors import UserError, nearest, preview
from ajuste_fino.tables import Row, Table, read_table, unquoted

REMOVE = "remove"


class Correction(NamedTuple):
    """The label of a file, or `remove`; the content that it must have, if that is known; the line that says so."""

    label: str
    sha256: str
    line: int


def scan_corrected(root: Root, table: Path | None) -> tuple[ScanResult, dict[str, Correction]]:
    """What `scan` finds, under the labels that a table corrects, and what it says of each file; None: there is no table."""
    found = scan(root)
    if table is None:
        return found, {}
    corrections = read_corrections(table, found.samples)
    labels = {file: one.label for file, one in corrections.items() if one.label != REMOVE}
    found.samples = [replace(one, label=labels.get(one.file, one.label)) for one in found.samples]
    return found, corrections


def read_corrections(path: Path, samples: Sequence[Sample]) -> dict[str, Correction]:
    """What a table says of samples, by the name of each file.

    Raises:
        UserError: where it is no such table, names a file or a label that is not there, or gives a file two labels.
    """
    table = read_table(path, ("file", "corrected"), " It is the suspects.csv of ajuste-fino data, filled in.")
    names, labels = FileNames(sample.file for sample in samples), {sample.label for sample in samples}
    found, missing = dict[str, Correction](), list[str]()
    for row in table.rows:
        label = _label(table, row, labels)
        if not label:
            continue
        file = row.cells.get("file", "")
        if (name := names.find(file)) is None:
            missing.append(f"line {row.line}: {file}")
            continue
        first = found.setdefault(name, Correction(label, row.cells.get("sha256", "").strip(), row.line))
        if first.label != label:
            what = f"gives {name} the label {label}, line {first.line} gives it {first.label}"
            raise table.refuse(row, "must correct every file once", what, "Keep the row that is right.")
    if missing:
        fix = f"Names are relative to data.root. Drop these rows, or empty their cell:\n{preview(missing)}"
        raise UserError(f"data.corrections={path}", "corrects images that data.root lacks", got=len(missing), fix=fix)
    return found


def _label(table: Table, row: Row, labels: set[str]) -> str:
    """The label that a row gives, `remove`, or nothing."""
    given = row.cells.get("corrected", "")
    label = given if given in labels else unquoted(given).strip()
    if label == REMOVE and REMOVE in labels:
        what = "may mean the class of that name, or that the image is to be left out"
        fix = "Leave an image out by a data.split that does not name it, or give the class another name."
        raise table.refuse(row, "must say what is meant by remove", what, fix)
    if label and label != REMOVE and label not in labels:
        fix = f"{nearest(label, sorted(labels))} An image is left out by {REMOVE}."
        raise table.refuse(row, "must correct to a label that there is", f"has {label}", fix)
    return label


def without_removed(samples: Sequence[Sample], corrections: Mapping[str, Correction], table: Path | None) -> list[Sample]:
    """The hashed samples but for those to leave out.

    Raises:
        UserError: where an image is not the one that was looked at.
    """
    if not corrections:
        return list(samples)
    hashes = {file: one.sha256 for file, one in corrections.items() if one.sha256}
    other = [f"line {corrections[s.file].line}: {s.file}" for s in samples if hashes.get(s.file, s.sha256) != s.sha256]
    if other:
        rule = "corrects images that have changed since they were looked at"
        fix = f"Look at them again, and drop these rows or empty their cell of sha256:\n{preview(other)}"
        raise UserError(f"data.corrections={table}", rule, got=len(other), fix=fix)
    removed = {file for file, one in corrections.items() if one.label == REMOVE}
    return [sample for sample in samples if sample.file not in removed]
