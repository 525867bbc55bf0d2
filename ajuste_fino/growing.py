"""Tables that grow row by row under another name, and have their own when they are whole."""

import csv
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from ajuste_fino.escape import to_cell
from ajuste_fino.places import FULL

Row = Callable[[Sequence[object]], None]
Record = Callable[[Mapping[str, object]], None]


def part_of(path: Path) -> Path:
    """The name that a file has until it is whole."""
    return path.with_name(f"{path.name}.part")


@contextmanager
def whole(path: Path, has_rows: Callable[[], bool] = lambda: False) -> Iterator[Path]:
    """`path.part`, to be written inside, takes the name of `path` at a good end; until then an older `path` is as it was.

    Args:
        has_rows: whether, after a failure or a stop, the part is of use as it is: then it stays, and else it goes.
    """
    part = part_of(path)
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
    except BaseException as error:
        if isinstance(error, OSError) and error.errno in FULL:
            error.filename = error.filename or str(part)  # a full disk names no file
        if has_rows():
            error.add_note(f"{part} has the rows so far.")
        else:
            part.unlink(missing_ok=True)
        raise
    part.replace(path)


class _Lines:
    """An open text file that counts what is written to it; each line is on disk when it is known."""

    def __init__(self, part: Path) -> None:
        self.part, self.count = part, 0
        self.file: TextIO | None = None

    def open(self) -> TextIO:
        # a name's bytes that are no Unicode become codes, which JSON has of its own, and a CSV has none by then
        self.file = self.part.open("w", encoding="utf-8", newline="", errors="backslashreplace", buffering=1)
        return self.file

    def write(self, text: str) -> None:
        assert self.file is not None
        try:
            self.file.write(text)
        except OSError as error:
            error.filename = str(self.part)
            raise
        self.count += 1


@contextmanager
def growing_csv(path: Path, header: Sequence[str]) -> Iterator[Row]:
    """A function that writes a row, as `write_csv` does, to `path.part`, which takes the name of `path` at a good end.

    After a failure or a stop `path.part` has the rows so far, each of them whole, if there were any; an older `path` is as it
    was.
    """
    lines = _Lines(part_of(path))
    with whole(path, lambda: lines.count > 1), lines.open():
        writer = csv.writer(lines)
        writer.writerow([to_cell(name) for name in header])
        yield lambda row: writer.writerow([to_cell(cell) if isinstance(cell, str) else cell for cell in row])


@contextmanager
def growing_jsonl(path: Path) -> Iterator[Record]:
    """The same for JSON Lines: a function that writes a record as a line."""
    lines = _Lines(part_of(path))
    with whole(path, lambda: lines.count > 0), lines.open():
        yield lambda record: lines.write(json.dumps(record, ensure_ascii=False) + "\n")


@contextmanager
def growing_json(path: Path) -> Iterator[Record]:
    """The same for a JSON list of records, as `write_json` writes it; a part of it would be no JSON, and goes."""
    lines = _Lines(part_of(path))
    with whole(path), lines.open():

        def write(record: Mapping[str, object]) -> None:
            text = json.dumps([record], indent=2, ensure_ascii=False)
            lines.write(("," if lines.count else "[") + text[1:-2])

        yield write
        lines.write("\n]\n" if lines.count else "[]\n")
