"""What a CSV that is not understood seems to be, and what to do about it."""

import re
from collections.abc import Sequence

from ajuste_fino.errors import UserError
from ajuste_fino.escape import printable

MEANT = {  # what others call these columns
    "file": ("filename", "file_name", "filepath", "file_path", "path", "image", "images", "img", "image_path", "image_id"),
    "label": ("class", "classes", "class_name", "label_name", "labels", "category", "target", "species"),
    "split": ("set", "subset", "fold", "partition"),
}
MARKS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
ENDING = r"\.\w{2,5}"  # of a file's name
UTF_8 = "Save it as CSV in UTF-8"


def as_text(path: object, content: bytes) -> str:
    """The text of a CSV in UTF-8.

    Raises:
        UserError: where it is in another encoding, or no text.
    """
    zeros = max(content[:200:2].count(0), content[1:200:2].count(0))  # of Latin letters, one byte of two is zero
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or zeros > len(content[:200]) / 3:
        raise UserError(str(path), "cannot be read as a CSV in UTF-8; it seems to be UTF-16", fix=f"{UTF_8}.")
    try:
        text = content.decode("utf-8").lstrip("\ufeff")  # programs that put one where one is leave two
    except UnicodeDecodeError as error:
        if b"\0" in content:
            fix = "Of a spreadsheet, export the sheet as CSV in UTF-8."
            raise UserError(str(path), "cannot be read as a CSV; it is no text", fix=fix) from error
        line = content.count(b"\n", 0, error.start) + 1
        what = f"cannot be read as a CSV in UTF-8; line {line} has a byte 0x{content[error.start]:02x}"
        fix = f"Perhaps it is Windows-1252, Latin-1, GBK or Shift-JIS. {UTF_8}, which spreadsheets offer as 'CSV UTF-8'."
        raise UserError(str(path), what, fix=fix) from error
    if "\x00" in text:
        line = text.count("\n", 0, text.index("\x00")) + 1
        raise UserError(str(path), f"cannot be read as a CSV; line {line} has a zero byte", fix=f"{UTF_8}.")
    return text


def open_quote(path: object, line: int) -> UserError:
    fix = f'Line {line} opens a quote that holds the lines after it, too; write "" for a quote that is part of a text.'
    return UserError(str(path), "must close each quote in its row", fix=fix)


def swallows(cell: str, mark: str) -> bool:
    """Whether a line inside a cell is a row by its looks: it has a separator, and the name of a file ends at one or with it."""
    return any(
        mark in line and re.search(rf'{ENDING}"?(?:{re.escape(mark)}|$)', line) for line in re.split(r"[\r\n]", cell)[1:]
    )


def separator(cells: Sequence[str], needed: Sequence[str]) -> str | None:
    """The separator that a row which is one cell seems to have."""
    return next((mark for mark in MARKS if mark in cells[0]), None) if len(cells) == 1 < len(needed) else None


def say_separator(mark: str) -> str:
    declared = f"sep={mark}" if mark != "\t" else "sep= with a tab behind it"
    return f"Save it with commas, or write the line {declared} above the names of the columns."


def lacking(path: object, columns: Sequence[str], first: Sequence[str], needed: Sequence[str], otherwise: str) -> UserError:
    """The error of a table without some of the columns that are needed: what seems to be meant by others."""
    lower = [name.lower() for name in columns]
    missing = [name for name in needed if name not in columns]
    meant = {
        name: next((columns[lower.index(other)] for other in MEANT.get(name, ()) if other in lower), None) for name in missing
    }
    fix = f"Name the columns {','.join(needed)}{' or file,label,split' if {'split', 'corrected'}.isdisjoint(needed) else ''}."
    if any(re.search(rf"{ENDING}$", cell.strip()) for cell in first):
        fix = f"Its first line seems to be an image already: put the line {','.join(needed)} above it."
    elif known := [f"{printable(other)} seems to be {name}" for name, other in meant.items() if other]:
        fix = f"{' and '.join(known)}: change it in the first line. {fix}"
    return UserError(str(path), f"needs the columns {' and '.join(needed)}", got=", ".join(first), fix=f"{fix}{otherwise}")
