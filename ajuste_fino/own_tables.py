"""Which tables are those that this package writes: `split.csv` of a run, `suspects.csv` of its data, and predictions."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ajuste_fino.errors import UserError
from ajuste_fino.escape import from_cell, to_cell

SPLIT = ("file", "label", "split", "sha256")
SUSPECTS = ("file", "label", "suggested", "score", "corrected", "sha256")
SIGNS = {"sha256": re.compile("[0-9a-f]{64}"), "probability": re.compile(r"[01]\.\d{6}")}
TEXTS = ("file", "label", "predicted", "suggested")


def content_of(path: Path) -> bytes:
    """What such a table holds.

    Raises:
        UserError: where it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(str(path), f"cannot be read ({error.strerror})", fix="Check its permissions.") from error


def header_of(content: bytes) -> list[str]:
    """The columns of a table of ours; of any other file, whatever its first line holds."""
    lines = content.partition(b"\n")[0].decode("utf-8-sig", errors="replace").splitlines()
    return [cell.strip('"') for cell in lines[0].split(",")] if lines else []


def sign_of(header: Sequence[str]) -> str | None:
    """The column by whose cells the rows of such a table are known; None for any other header."""
    if tuple(header) in (SPLIT, SUSPECTS):
        return "sha256"
    classes = [name for name in header if name.startswith("p:")]
    others = header[: len(header) - len(classes)]  # those of classes are the last
    evaluated = bool(classes) and [*others] == ["file", "label", "predicted", "probability"]
    predicted = [*others] in (["file", "label", "probability"], ["file", "label", "probability", "disagreement"])
    return "probability" if evaluated or predicted else None


def is_signed(cells: Mapping[str, str], sign: str | None) -> bool:
    """Whether a row of such a table is as it would be written: a name that needs marks has them, `'-1` and never `-1`."""
    if sign is None or not SIGNS[sign].fullmatch(cells.get(sign, "")):
        return False
    return all(to_cell(from_cell(cell)) == cell for name in TEXTS if (cell := cells.get(name, "")))
