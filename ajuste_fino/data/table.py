"""The images of a table: a CSV of file,label[,split].

Whether a file is there is asked of its name as a text: a `Path` raises where it is too long.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from unicodedata import normalize

from ajuste_fino.data.kinds import SUFFIXES
from ajuste_fino.data.label_lists import ONE_LABEL, lists_perhaps, refuse_lists
from ajuste_fino.data.names import split_named
from ajuste_fino.data.sample import Sample
from ajuste_fino.data.scan_result import ScanResult
from ajuste_fino.data.sources.storage import Place, image_at
from ajuste_fino.data.split_columns import split_columns
from ajuste_fino.errors import UserError, nearest, preview
from ajuste_fino.escape import ESCAPED, from_cell
from ajuste_fino.tables import Row, Table, read_table, unquoted

GROUP = "data.group"
IsThere = Callable[[str, str], bool]  # whether a folder has a file, whose name may lead into folders of it


def is_there(folder: str, file: str) -> bool:
    """Whether a file that a table names is on this machine."""
    return os.path.exists(os.path.join(folder, file))


def scan_table(path: Place, content: bytes | None = None, there: IsThere = is_there) -> ScanResult:
    """The rows of a CSV; paths are relative to it.

    Labels are read as they stand, but for blanks around them. Of a table that this package wrote, such as a run's
    `split.csv`, the texts are those that were written, without the marks that keep a spreadsheet from running them.

    Args:
        content: of the CSV, where that was read already.
        there: whether a folder has a file, where it is not on this machine.

    Raises:
        UserError: where a column is missing, a file is missing, or an image has not one label and one split.
    """
    table = read_table(path, ("file", "label"), content=content)
    found = ScanResult(ignored=[] if table.ours else table.others)
    given: dict[str, int] = {}
    folder = path.parent
    for file, row in named_rows(table, there):
        label = row.cells.get("label", "")
        if not table.ours:
            label = _trimmed(found, table, row, label)
        if lacking := [what for what, cell in (("file", file), ("label", label)) if not cell]:
            raise table.refuse(row, ONE_LABEL, f"has no {' and no '.join(lacking)}")
        split = split_named(unquoted(row.cells.get("split", "")).strip(), path, row.line)
        sample = Sample(image_at(folder / file), file, label, split)
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
    _refuse_missing(path, found.samples, there)
    return found


def named_rows(table: Table, there: IsThere = is_there) -> Iterator[tuple[str, Row]]:
    """The name of each row's file, as samples have it, and the row."""
    return ((_located(table, there, row.cells.get("file", "")), row) for row in table.rows)


def _located(table: Table, there: IsThere, file: str) -> str:
    r"""A file as it stands; where no such file is there, the one without blanks around it, with / for \, or unescaped.

    At last the one whose accents are written the other way, as letters of their own.
    """
    if table.ours or (file.isascii() and file.isprintable() and file == file.strip() and file[:1] != "'" and "\\" not in file):
        return file
    plain = unquoted(file).strip()
    ways = dict.fromkeys((file, plain, from_cell(file), plain.replace("\\", "/")))
    known = next((one for one in ways if one and there(table.folder, one)), None)
    return known or _composed(table.folder, there, plain.replace("\\", "/")) or plain


def _composed(folder: str, there: IsThere, file: str) -> str | None:
    """The file of a name that looks the same: macOS writes é as two letters; None where there is none."""
    found = ""
    for part in () if file.isascii() else file.split("/"):
        ways = (part, normalize("NFC", part), normalize("NFD", part))
        known = next((one for way in ways if there(folder, one := os.path.join(found or "", way) or "/")), None)
        if known is None:
            return None
        found = known
    return found or None


def _is_outside(folder: str, file: str) -> bool:
    """Whether a name leads out of the folder of its table."""
    if not os.path.isabs(file) and (".." not in file or ".." not in Path(file).parts):
        return False
    base = os.path.normpath(Path(folder).absolute())
    return not os.path.normpath(os.path.join(base, file)).startswith(os.path.join(base, ""))


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


def _refuse_missing(table: Place, samples: list[Sample], there: IsThere) -> None:
    folder = str(table.parent)
    missing = [sample.file for sample in samples if not there(folder, sample.file)]
    if missing:
        hint = f"Paths are relative to the CSV; to give a run's split back, pass data.root=FOLDER data.split={table}."
        fix = f"{_why_missing(folder, there, missing[0])}{hint} Missing:\n{preview(missing)}"
        raise UserError(str(table), "names files that do not exist", got=len(missing), fix=fix)


def _why_missing(folder: str, there: IsThere, file: str) -> str:
    """A sentence on what seems to be wrong with a name, or nothing."""
    ending = next((suffix for suffix in SUFFIXES if there(folder, f"{file}{suffix}")), None)
    if ending:
        return f"The first is there with {ending} at its end. "
    return r"They are written with \ as on Windows, and are not there with / either. " if "\\" in file else ""


def no_column(name: str) -> UserError:
    """What is said of a column for groups where there are no columns."""
    fix = r"Write it with one pair of parentheses around what names the group, as in data.group='(person\d+)'."
    return UserError(GROUP, "must be a regular expression on the path, where data.root is a folder", got=name, fix=fix)


def table_column(table: Table, column: str, there: IsThere = is_there) -> dict[str, str]:
    """What a column of a CSV has of each file.

    Raises:
        UserError: where there is no such column, or it has two texts for a file.
    """
    column = column if column in table.columns else column.strip()
    if table.columns.count(column) != 1:
        rule = f"must be {'one' if column in table.columns else 'a'} column of {table.path.name}"
        raise UserError(GROUP, rule, got=column, fix=nearest(column, table.columns))
    found: dict[str, tuple[Row, str]] = {}
    for file, row in named_rows(table, there):
        group = row.cells.get(column, "")
        earlier, first = found.setdefault(file, (row, group))
        if first != group:
            what = f"gives {file} the {column} {group or 'nothing'}, line {earlier.line} gives it {first or 'nothing'}"
            raise table.refuse(row, "must give every file one group", what, "Keep the row that is right.")
    return {file: group for file, (_, group) in found.items()}
