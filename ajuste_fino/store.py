"""Store rows of numbers on disk by key, in files that are verified by their hash and memory-mapped."""

import hashlib
import io
import os
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from ajuste_fino.errors import AjusteFinoError
from ajuste_fino.files import sha256, write_bytes, write_json

ABOUT = "about.json"
KEY = 80  # characters
SHARD_BYTES = 32 * 2**20  # held in memory until a shard is written
SHARD_SECONDS = 60  # of work, at most, that a kill can lose
OPEN_SHARDS = 16  # mapped at a time, each by one file descriptor
COPIED_ROWS = 256  # rows that are copied at a time
RESIDENT_BYTES = 32 * 2**20  # of mapped rows that stay in this process's memory


def open_shard(path: Path) -> np.ndarray:
    """Return the records (key, row) of a shard, memory-mapped."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        what = f"The feature cache was cleaned while it was read: {path} is gone"
        raise AjusteFinoError(f"{what}. Start again; what is missing is computed anew.") from error


def is_shard(path: Path, dtype: np.dtype | None = None) -> bool:
    """Return whether a file is a shard, unchanged since it was written, with records of that type or of any."""
    try:
        if not path.is_file() or sha256(path) != path.stem:
            return False
        found = open_shard(path).dtype
    except (FileNotFoundError, AjusteFinoError, ValueError, EOFError):
        return False
    return found.names == ("key", "row") if dtype is None else found == dtype


class FeatureRows:
    """(N, *shape) numbers that stay on disk; `rows[positions]` reads a few of them."""

    def __init__(self, paths: list[Path], index: np.ndarray, row: np.dtype) -> None:
        self.paths, self.index, self.row = paths, index, row  # index: (N, 2), shard and row
        self._open, self._touched = lru_cache(OPEN_SHARDS)(open_shard), 0

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, positions: Sequence[int] | slice) -> np.ndarray:
        index = self.index[positions]
        out = np.empty((len(index), *self.row.shape), self.row.base)
        for shard in np.unique(index[:, 0]):
            here = index[:, 0] == shard
            out[here] = self._open(self.paths[shard])["row"][index[here, 1]]
        self._touched += out.nbytes
        if self._touched > RESIDENT_BYTES:
            self._open.cache_clear()  # the system still has the pages, so reading them again costs little
            self._touched = 0
        return out


class FeatureStore:
    """A folder of shards, each named by the SHA-256 of its content, so that a damaged one is known and left out.

    Used as a context: what was added is on disk when the block ends, also when it ends by an error or by Ctrl-C. Several
    processes may add to one folder; `refresh` finds what others wrote.

    Args:
        folder: of the shards; it need not exist.
        shape: of a row.
        dtype: of its numbers.
        about: what the rows are, for people who look at the folder.
    """

    def __init__(
        self, folder: Path, shape: Sequence[int], dtype: str = "<f4", about: Mapping[str, object] | None = None
    ) -> None:
        self.folder, self.about = folder, about
        self.dtype = np.dtype([("key", f"S{KEY}"), ("row", dtype, tuple(shape))])
        self.damaged: list[Path] = []
        self.shards: list[Path] = []
        self.index: dict[bytes, tuple[int, int]] = {}
        self._buffer: np.ndarray | None = None
        self._count, self._since = 0, 0.0
        self.refresh()

    @classmethod
    def existing(cls, folder: Path) -> Self | None:
        """Open a folder that holds shards already, whatever the shape of its rows; None: it holds no whole one."""
        whole = (path for path in sorted(folder.glob("*.npy")) if is_shard(path))
        row = next((open_shard(path).dtype["row"] for path in whole), None)
        return None if row is None else cls(folder, row.shape, row.base.str)

    def refresh(self) -> None:
        """Read the folder again, and find shards that other processes added or removed."""
        there = {path for path in self.folder.glob("*.npy") if path.is_file()}
        kept = [path for path in self.shards if path in there]
        if len(kept) < len(self.shards):
            self.shards, self.index = [], {}
            for path in kept:
                self._register(path)
        for path in sorted(there.difference(self.shards, self.damaged)):
            if is_shard(path, self.dtype):
                self._register(path)
            elif path.exists():  # else another process removed it meanwhile
                self.damaged.append(path)

    def _register(self, path: Path) -> None:
        self.index |= {key: (len(self.shards), row) for row, key in enumerate(open_shard(path)["key"].tolist())}
        self.shards.append(path)

    def missing(self, keys: Sequence[str]) -> list[int]:
        """Return the positions of the keys that are not in the store."""
        return [position for position, key in enumerate(keys) if key.encode() not in self.index]

    def add(self, keys: Sequence[str], rows: np.ndarray) -> None:
        """Add (N, *shape) rows; they are written a shard at a time."""
        while len(keys):
            if self._buffer is None:
                self._buffer = np.empty(max(SHARD_BYTES // self.dtype.itemsize, 1), self.dtype)
                self._since = time.monotonic()
            part = self._buffer[self._count : self._count + len(keys)]
            part["key"], part["row"] = [key.encode() for key in keys[: len(part)]], rows[: len(part)]
            self._count += len(part)
            keys, rows = keys[len(part) :], rows[len(part) :]
            if self._count == len(self._buffer) or time.monotonic() > self._since + SHARD_SECONDS:
                self.flush()

    def flush(self) -> None:
        """Write what was added so far."""
        if self._buffer is not None and self._count:
            records, self._buffer, self._count = self._buffer[: self._count], None, 0
            self._register(self._write(records))

    def _write(self, records: np.ndarray) -> Path:
        buffer = io.BytesIO()
        np.save(buffer, records, allow_pickle=False)
        path = self.folder / f"{hashlib.sha256(buffer.getbuffer()).hexdigest()}.npy"
        write_bytes(path, buffer.getbuffer())
        if self.about and not (self.folder / ABOUT).exists():
            write_json(self.folder / ABOUT, self.about)
        return path

    def rows(self, keys: Sequence[str]) -> FeatureRows:
        """Return the rows of these keys, in this order."""
        index = np.array([self.index[key.encode()] for key in keys], np.int64).reshape(-1, 2)
        return FeatureRows(list(self.shards), index, self.dtype["row"])

    def compact(self) -> int:
        """Join shards that are less than half full; returns how many files went. No other process may read them meanwhile."""
        small = [n for n, path in enumerate(self.shards) if 2 * path.stat().st_size < SHARD_BYTES]
        if len(small) < 2:
            return 0
        keys = [key.decode() for key, (n, _) in self.index.items() if n in small]
        rows, before = self.rows(keys), len(self.shards)
        for start in range(0, len(keys), COPIED_ROWS):
            self.add(keys[start : start + COPIED_ROWS], rows[slice(start, start + COPIED_ROWS)])
        self.flush()
        oldest = min(self.shards[n].stat().st_mtime for n in small)  # what is old stays old, for whoever removes old features
        gone = {self.shards[n] for n in small} - set(self.shards[before:])
        for path in self.shards[before:]:
            os.utime(path, (oldest, oldest))
        for path in gone:
            path.unlink()
        self.refresh()
        return len(gone)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.flush()
