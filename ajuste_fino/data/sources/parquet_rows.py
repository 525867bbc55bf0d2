"""Images in rows of Parquet files: a part of a column is read at a time, and kept for those that read its neighbours."""

import os
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

from ajuste_fino.data.content import BadImage
from ajuste_fino.data.sources.storage import Place, opened
from ajuste_fino.errors import UserError

KEPT = 256 * 2**20  # bytes of images that a process keeps, and at least the last two parts
PART = 32 * 2**20  # bytes of a part at most, where a group of rows is larger
FILES, GROUPS = 4, 16  # that a process holds open


@dataclass(frozen=True, slots=True)
class ParquetRow:
    """An image in a row of a Parquet file.

    `column` is the path of its bytes, `image.bytes`; `group` the number of its group of rows; `row` that of the row in it.
    """

    place: Place
    column: str
    group: int
    row: int

    def read(self) -> bytes:
        try:
            found = _kept().row(self)
        except Exception as error:  # pyarrow's, and those of the file system that it reads from
            raise BadImage(self, f"its row cannot be read ({' '.join(str(error).split())[:300]})") from error
        if not found:
            raise BadImage(self, "a row without an image" if found is None else "an empty file")
        return found

    def __str__(self) -> str:
        return f"{self.place}, row {self.row} of group {self.group}"


class Part(NamedTuple):
    """Some rows of a group: of which it is, the number of the first, their column."""

    key: tuple[Place, str, int, int]
    column: Any  # a pyarrow array


class Group:
    """A group of rows that is read from its first row on, a part at a time."""

    def __init__(self, file: Any, first: ParquetRow) -> None:
        self.file, self.place, self.column, self.number = file, first.place, first.column, first.group
        about = file.metadata.row_group(self.number)
        sizes = [about.column(n).total_uncompressed_size for n in range(about.num_columns)]
        paths = [about.column(n).path_in_schema for n in range(about.num_columns)]
        size = sizes[paths.index(self.column)]
        self.rows = about.num_rows
        self.step = max(1, self.rows if size <= PART else self.rows * PART // size)
        self.next = 0
        self.stream: Iterator[Any] = iter(())

    def part(self, row: int) -> Part:
        """The part that holds a row; one behind it is reached by reading on, one before it by beginning again."""
        if not 0 <= row < self.rows:
            raise IndexError(f"the group has {self.rows} rows")
        start = row // self.step * self.step
        if self.next == 0 or start < self.next:
            self.next, self.stream = 0, self._batches()
        at, self.next = self.next, 0  # unless it can be read, the next one begins again
        batch = next(self.stream)
        while at + len(batch) <= start:
            at, batch = at + len(batch), next(self.stream)
        self.next = at + len(batch) if at + len(batch) < self.rows else 0
        self.stream = self.stream if self.next else iter(())  # which may hold much
        return Part((self.place, self.column, self.number, at), _bytes_of(batch.column(0)))

    def _batches(self) -> Iterator[Any]:
        return iter(self.file.iter_batches(self.step, row_groups=[self.number], columns=[self.column], use_threads=False))


def _bytes_of(column: Any) -> Any:
    """The bytes of a column, which may be those of a struct {bytes, path}."""
    import pyarrow as pa

    return column.field("bytes") if pa.types.is_struct(column.type) else column


class Kept:
    """The parts that were read last, and the files that are open, of one process."""

    def __init__(self) -> None:
        self.lock, self.size = Lock(), 0
        self.parts: OrderedDict[tuple[Place, str, int, int], Part] = OrderedDict()
        self.groups: OrderedDict[tuple[Place, str, int], Group] = OrderedDict()
        self.files: OrderedDict[Place, Any] = OrderedDict()

    def row(self, wanted: ParquetRow) -> bytes | None:
        with self.lock:
            group = self._group(wanted)
            key = (wanted.place, wanted.column, wanted.group, wanted.row // group.step * group.step)
            if key not in self.parts:
                self._keep(group.part(wanted.row))
            self.parts.move_to_end(key)
            column = self.parts[key].column
        found: bytes | None = column[wanted.row - key[3]].as_py()
        return found

    def _keep(self, part: Part) -> None:
        self.parts[part.key] = part
        self.size += part.column.nbytes
        while self.size > KEPT and len(self.parts) > 2:
            self.size -= self.parts.popitem(last=False)[1].column.nbytes

    def _group(self, wanted: ParquetRow) -> Group:
        key = (wanted.place, wanted.column, wanted.group)
        if key not in self.groups:
            self.groups[key] = Group(self._file(wanted.place), wanted)
            if len(self.groups) > GROUPS:
                self.groups.popitem(last=False)
        return self.groups[key]

    def _file(self, place: Place) -> Any:
        if place not in self.files:
            self.files[place] = parquet_file(place)
            if len(self.files) > FILES:
                self._close(*self.files.popitem(last=False))
        self.files.move_to_end(place)
        return self.files[place]

    def _close(self, place: Place, file: Any) -> None:
        self.groups = OrderedDict((key, group) for key, group in self.groups.items() if key[0] != place)
        file.close(force=True)


def parquet_file(place: Place) -> Any:
    """A Parquet file with its metadata.

    Raises:
        UserError: where it cannot be opened, or is none, or is truncated.
    """
    import pyarrow as pa
    from pyarrow import parquet

    file = str(place) if isinstance(place, Path) and place.is_file() else opened(place)
    try:
        return parquet.ParquetFile(file, buffer_size=2**20, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        fix = "It may be another kind of file, or a download that was cut off; fetch it again."
        raise UserError(str(place), f"cannot be read as a Parquet file ({reason})", fix=fix) from error


_by_process: dict[int, Kept] = {}


def _kept() -> Kept:
    """What this process keeps; one that was forked begins anew, as its parent may have held the lock."""
    return _by_process.setdefault(os.getpid(), Kept())
