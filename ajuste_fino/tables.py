"""A CSV that a user gives: every row of it is understood, or refused by the number of its line."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Protocol

from ajuste_fino.errors import UserError, counted
from ajuste_fino.escape import from_cell
from ajuste_fino.own_tables import is_signed, sign_of
from ajuste_fino.table_hints import MARKS, as_text, lacking, open_quote, say_separator, separator, swallows

COLUMNS = ("file", "label", "split")
DECLARED = re.compile(r'"?sep=(.)"?(\r\n|\r|\n|$)')
UNNAMED = "column "
END = "\x00end"


class Location(Protocol):
    """A path, or what is named and taken apart as one."""

    @property
    def name(self) -> str: ...

    @property
    def parent(self) -> "Location": ...


class Row(NamedTuple):
    """The cells of a row by the names of their columns, and the number of its first line in the file, from 1."""

    line: int
    cells: dict[str, str]


@dataclass(frozen=True)
class Table:
    """The rows of a CSV, and its columns in their order.

    `ours` is a table that this package wrote: its texts have been decoded. Any other is read as it stands.
    """

    path: Location
    columns: list[str]
    rows: list[Row]
    ours: bool

    @cached_property
    def folder(self) -> str:
        """What its paths are relative to."""
        return str(self.path.parent)

    @property
    def others(self) -> list[str]:
        """The columns beside `COLUMNS`; those without a name only where they have more than numbers, as an index is."""
        other = [name for name in self.columns if name not in COLUMNS]
        return [name for name in other if not name.startswith(UNNAMED) or self._has_texts(name)]

    def _has_texts(self, column: str) -> bool:
        cells = (row.cells.get(column, "").strip() for row in self.rows)
        return any(cell and not cell.isdigit() for cell in cells)

    def refuse(self, row: Row, rule: str, what: str, fix: str = "") -> UserError:
        """The error of a row: the rule that it breaks, and how."""
        return UserError(str(self.path), rule, fix=f"Line {row.line} {what}.{' ' if fix else ''}{fix}")


def read_table(path: Location, needed: Sequence[str], otherwise: str = "", content: bytes | None = None) -> Table:
    """The rows of a CSV with a header; the names of the columns in `COLUMNS` may have capitals and blanks around them.

    Lines without anything are passed over, and so are cells beyond the header that are empty.

    Args:
        needed: columns that must be there.
        otherwise: what else to do where they are not.
        content: what the file holds, where that was read already.

    Raises:
        UserError: where it is empty, in another encoding or with another separator than commas, where a needed column is
            missing or a column of `COLUMNS` is there twice, and for a row of more cells than the header or with a quote that
            is not closed.
    """
    text, mark, skipped = _declared(_text(path) if content is None else as_text(path, content))
    records = _records(path, text, mark, skipped)
    _, first = next(records, (0, []))
    if not first:
        raise UserError(str(path), "is empty", fix="Its first line must name the columns, and each other line an image.")
    columns = [_column(name) or f"{UNNAMED}{number}" for number, name in enumerate(first, start=1)]
    if (wrong := separator(first, needed)) and not set(needed) <= set(columns):
        raise UserError(str(path), f"must be separated by commas; it seems to have {MARKS[wrong]}", fix=say_separator(wrong))
    _require(path, columns, first, needed, otherwise)
    sign = sign_of(first)
    rows = [Row(line, _cells(path, line, columns, cells, mark, sign)) for line, cells in records]
    if not rows:
        raise UserError(str(path), "has no rows below the names of its columns", fix="Each further line must name an image.")
    ours = sign is not None and all(is_signed(row.cells, sign) for row in rows)
    for row in rows if ours else ():
        row.cells.update((name, from_cell(cell)) for name, cell in row.cells.items())
    return Table(path, columns, rows, ours)


def _text(path: object) -> str:
    try:
        content = Path(str(path)).read_bytes()
    except OSError as error:
        raise UserError(str(path), f"cannot be read as a CSV ({error.strerror})", fix="Pass a CSV that can be read.") from error
    return as_text(path, content)


def _declared(text: str) -> tuple[str, str, int]:
    """The text without a first line `sep=;`, as spreadsheets read it; the separator; how many lines were taken off."""
    found = DECLARED.match(text)
    return (text[found.end() :], found[1], 1) if found else (text, ",", 0)


def _records(path: object, text: str, mark: str, skipped: int) -> Iterator[tuple[int, list[str]]]:
    """The cells of each row that has any, and the number of its first line.

    A row of our own is put at the end: where a quote is open there, it is lost in a cell.
    """
    reader = csv.reader(io.StringIO(f"{text}\n{END}", newline=""), delimiter=mark)
    line = 1
    try:
        for cells in reader:
            if cells and cells[-1].endswith(END) and cells != [END]:
                raise open_quote(path, line + skipped)
            if cells and cells != [END]:
                yield line + skipped, cells
            line = reader.line_num + 1
    except csv.Error as error:
        fix = f"From line {line + skipped} on: {error}; a quote may be open."
        raise UserError(str(path), "cannot be read as a CSV", fix=fix) from error


def unquoted(cell: str) -> str:
    """A cell with a blank before its quotes without them: `, "cat"`; any other as it stands."""
    plain = cell.strip()
    if cell[:1].isspace() and len(plain) > 1 and plain[0] == plain[-1] == '"':
        return plain[1:-1].replace('""', '"')
    return cell


def _column(name: str) -> str:
    plain = unquoted(name).strip()
    return plain.lower() if plain.lower() in COLUMNS else plain


def _require(path: object, columns: Sequence[str], first: Sequence[str], needed: Sequence[str], otherwise: str) -> None:
    twice = next((name for name in COLUMNS if columns.count(name) > 1), None)
    if twice:
        fix = "Keep the one that is meant, and give the other another name."
        raise UserError(str(path), f"must have one column {twice}", got=", ".join(first), fix=fix)
    if not set(needed) <= set(columns):
        raise lacking(path, columns, first, needed, otherwise)


def _cells(
    path: object, line: int, columns: Sequence[str], cells: Sequence[str], mark: str, sign: str | None
) -> dict[str, str]:
    named = dict(zip(columns, cells, strict=False))
    broken = [cell for cell in cells if "\n" in cell or "\r" in cell]
    if broken and not is_signed(named, sign) and any(swallows(cell, mark) for cell in broken):
        raise open_quote(path, line)
    beyond = [cell for cell in cells[len(columns) :] if cell.strip()]
    if beyond:
        what = f"Line {line} has {counted(len(cells), 'cell')} and the header {len(columns)}"
        fix = f'{what}. Name a further column in the first line; put a text that holds a comma in quotes, "hat, red".'
        raise UserError(str(path), "must have a name for each column", got=", ".join(beyond), fix=fix)
    if wrong := separator(cells, columns):
        fix = f"Line {line} seems to have {MARKS[wrong]}. Save it with commas."
        raise UserError(str(path), "must be separated by commas", got=cells[0], fix=fix)
    return named
