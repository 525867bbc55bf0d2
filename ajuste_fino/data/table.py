"""The images of a table: a CSV of file,label[,split].

Whether a file is there is asked of its name as a text: a `Path` raises where it is too long.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from ajuste_fino.data.content import ImageFile
from ajuste_fino.data.kinds import SUFFIXES
from ajuste_fino.data.names import split_named
from ajuste_fino.data.sample import Sample
from ajuste_fino.data.scan_result import ScanResult
from ajuste_fino.errors import UserError, preview
from ajuste_fino.escape import ESCAPED, from_cell
from ajuste_fino.tables import Row, Table, read_table

ONE_LABEL = "must give every file one label"


def scan_table(path: Path) -> ScanResult:
    """The rows of a CSV; paths are relative to it.

    Labels are read as they stand, but for blanks around them. Of a table that this package wrote, such as a run's
    `split.csv`, the texts are those that were written, without the marks that keep a spreadsheet from running them.

    Raises:
        UserError: where a column is missing, a file is missing, or an image has not one label and one split.
    """
    table = read_table(path, ("file", "label"))
    found = ScanResult(ignored=[] if table.ours else table.others)
    given: dict[str, int] = {}
    folder = path.parent
    for file, row in named_rows(table):
        label = row.cells.get("label", "")
        if not table.ours:
            label = _trimmed(found, row, label)
        if lacking := [what for what, cell in (("file", file), ("label", label)) if not cell]:
            raise table.refuse(row, ONE_LABEL, f"has no {' and no '.join(lacking)}")
        split = split_named(row.cells.get("split", "").strip(), path, row.line)
        sample = Sample(ImageFile(folder / file), file, label, split)
        first = given.setdefault(os.path.normpath(os.path.join(table.folder, file)), len(found.samples))
        if first < len(found.samples):
            _refuse_second(table, row, sample, table.rows[first], found.samples[first])
        found.samples.append(sample)
        if os.path.isabs(file) or (".." in file and ".." in Path(file).parts):
            found.outside.append(file)
    found.classes = {sample.label for sample in found.samples}
    _refuse_lists(path, found.classes)
    _refuse_missing(path, found.samples)
    return found


def named_rows(table: Table) -> Iterator[tuple[str, Row]]:
    """The name of each row's file, as samples have it, and the row."""
    return ((_located(table, row.cells.get("file", "")), row) for row in table.rows)


def _located(table: Table, file: str) -> str:
    r"""A file as it stands; where no such file is there, the one without blanks around it, with / for \, or unescaped."""
    if table.ours or (file.isprintable() and file == file.strip() and file[:1] != "'" and "\\" not in file):
        return file
    plain = file.strip()
    ways = dict.fromkeys((file, plain, from_cell(file), plain.replace("\\", "/")))
    return next((one for one in ways if one and _is_there(table.folder, one)), plain)


def _is_there(folder: str, file: str) -> bool:
    return os.path.exists(os.path.join(folder, file))


def _trimmed(found: ScanResult, row: Row, label: str) -> str:
    plain = label.strip()
    if plain != label:
        found.trimmed.append(f"line {row.line}: '{label}' is read as '{plain}'")
    elif label[:1] == "'" and ESCAPED.match(label):
        found.apostrophes.append(f"line {row.line}: {label}")
    return plain


def _refuse_second(table: Table, row: Row, sample: Sample, earlier: Row, first: Sample) -> None:
    """Refuse another label or split for a file that an earlier row names, perhaps as `./file`."""
    if first.label != sample.label:
        what = f"gives {sample.file} the label {sample.label}, line {earlier.line} gives it {first.label}"
        raise table.refuse(row, ONE_LABEL, what, "Keep the row that is right.")
    if first.split != sample.split:
        what = f"puts {sample.file} into {sample.split or 'no split'}, line {earlier.line} into {first.split or 'none'}"
        raise table.refuse(row, "must give every file one split", what, "Keep the row that is right.")


def _refuse_lists(table: Path, labels: set[str]) -> None:
    """A label like `cat|dog` beside `cat` or `cat|bird` is a list of labels."""
    for mark in "|;,":
        lists = [label for label in labels if mark in label and _is_list(label, mark, labels)]
        parts = [part.strip() for label in lists for part in label.split(mark)]
        if lists and (len(set(parts)) < len(parts) or labels & set(parts)):
            fix = f"Images of several classes at once are not supported; write the label without '{mark}' if it is one."
            raise UserError(str(table), ONE_LABEL, got=min(lists), fix=fix)


def _is_list(label: str, mark: str, labels: set[str]) -> bool:
    """Whether a label may be a list: with a blank behind each comma it is a name, `Smith, John`, unless a part is a class."""
    parts = label.split(mark)
    names = mark == "," and all(part[:1].isspace() for part in parts[1:])
    return not names or any(part.strip() in labels for part in parts)


def _refuse_missing(table: Path, samples: list[Sample]) -> None:
    folder = str(table.parent)
    missing = [sample.file for sample in samples if not _is_there(folder, sample.file)]
    if missing:
        hint = f"Paths are relative to the CSV; to give a run's split back, pass data.root=FOLDER data.split={table}."
        fix = f"{_why_missing(table, missing[0])}{hint} Missing:\n{preview(missing)}"
        raise UserError(str(table), "names files that do not exist", got=len(missing), fix=fix)


def _why_missing(table: Path, file: str) -> str:
    """A sentence on what seems to be wrong with a name, or nothing."""
    ending = next((suffix for suffix in SUFFIXES if _is_there(str(table.parent), f"{file}{suffix}")), None)
    if ending:
        return f"The first is there with {ending} at its end. "
    return r"They are written with \ as on Windows, and are not there with / either. " if "\\" in file else ""
