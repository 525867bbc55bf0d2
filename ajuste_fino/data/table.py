"""The images of a table: a CSV of file,label[,split].

Whether a file is there is asked of its name as a text: a `Path` raises where it is too long.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from unicodedata import normalize

from ajuste_fino.data.content import ImageFile
from ajuste_fino.data.kinds import SUFFIXES
from ajuste_fino.data.label_lists import ONE_LABEL, lists_perhaps, refuse_lists
from ajuste_fino.data.names import split_named
from ajuste_fino.data.sample import Sample
from ajuste_fino.data.scan_result import ScanResult
from ajuste_fino.data.split_columns import split_columns
from ajuste_fino.errors import UserError, preview
from ajuste_fino.escape import ESCAPED, from_cell
from ajuste_fino.tables import Row, Table, read_table, unquoted


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
            label = _trimmed(found, table, row, label)
        if lacking := [what for what, cell in (("file", file), ("label", label)) if not cell]:
            raise table.refuse(row, ONE_LABEL, f"has no {' and no '.join(lacking)}")
        split = split_named(unquoted(row.cells.get("split", "")).strip(), path, row.line)
        sample = Sample(ImageFile(folder / file), file, label, split)
        first = given.setdefault(os.path.normpath(os.path.join(table.folder, file)), len(found.samples))
        if first < len(found.samples):
            _refuse_second(table, row, sample, table.rows[first], found.samples[first])
        found.samples.append(sample)
        if _is_outside(table.folder, file):
            found.outside.append(file)
    if any(sample.split for sample in found.samples):
        rows = zip(table.rows, found.samples, strict=True)
        found.unsplit = [f"line {row.line}: {sample.file}" for row, sample in rows if not sample.split]
    found.classes = {sample.label for sample in found.samples}
    refuse_lists(path, found.classes)
    found.lists = lists_perhaps(found.classes)
    found.splits = split_columns(table, found.ignored)
    _refuse_missing(path, found.samples)
    return found


def named_rows(table: Table) -> Iterator[tuple[str, Row]]:
    """The name of each row's file, as samples have it, and the row."""
    return ((_located(table, row.cells.get("file", "")), row) for row in table.rows)


def _located(table: Table, file: str) -> str:
    r"""A file as it stands; where no such file is there, the one without blanks around it, with / for \, or unescaped.

    At last the one whose accents are written the other way, as letters of their own.
    """
    if table.ours or (file.isascii() and file.isprintable() and file == file.strip() and file[:1] != "'" and "\\" not in file):
        return file
    plain = unquoted(file).strip()
    ways = dict.fromkeys((file, plain, from_cell(file), plain.replace("\\", "/")))
    there = next((one for one in ways if one and _is_there(table.folder, one)), None)
    return there or _composed(table.folder, plain.replace("\\", "/")) or plain


def _composed(folder: str, file: str) -> str | None:
    """The file of a name that looks the same: macOS writes é as two letters; None where there is none."""
    found = ""
    for part in () if file.isascii() else file.split("/"):
        ways = (part, normalize("NFC", part), normalize("NFD", part))
        there = next((one for way in ways if _is_there(folder, one := os.path.join(found or "", way) or "/")), None)
        if there is None:
            return None
        found = there
    return found or None


def _is_outside(folder: str, file: str) -> bool:
    """Whether a name leads out of the folder of its table."""
    if not os.path.isabs(file) and (".." not in file or ".." not in Path(file).parts):
        return False
    base = os.path.normpath(Path(folder).absolute())
    return not os.path.normpath(os.path.join(base, file)).startswith(os.path.join(base, ""))


def _is_there(folder: str, file: str) -> bool:
    return os.path.exists(os.path.join(folder, file))


def _trimmed(found: ScanResult, table: Table, row: Row, label: str) -> str:
    plain = unquoted(label).strip()
    if plain == label.strip() and plain[:1] == '"' and label[:1].isspace():
        what = "has a blank before a quote, which is then read as a letter"
        raise table.refuse(row, "must have quotes around a whole cell", what, "Take the blank out.")
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
