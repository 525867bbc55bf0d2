"""Rows of numbers on disk by key: written whole, proven by their own hash, read without being loaded."""

import hashlib
import io
import mmap
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from ajuste_fino.files import atomic, sha256

KEY = 80  # characters
SHARD_BYTES = 8 * 2**20  # held in memory until a shard is written
RESIDENT_BYTES = 32 * 2**20  # of mapped rows that stay in this process's memory


class Shard:
    """One file of rows and their keys, mapped into memory."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            np.lib.format.read_magic(file)
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
            start = file.tell()
            self.map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.table = np.frombuffer(self.map, dtype, count=shape[0], offset=start)

    def release(self) -> None:
        """Let the pages go that were read; the system still has them, so reading them again costs little."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self.map.madvise(mmap.MADV_DONTNEED)


class Rows:
    """(N, D) float32 that stay on disk; `rows[positions]` reads a few of them."""

    def __init__(self, shards: list[Shard], places: np.ndarray, width: int) -> None:
        self.shards, self.places, self.width = shards, places, width  # places: (N, 2), shard and row
        self._touched = 0

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, positions: Sequence[int] | slice) -> np.ndarray:
        places = self.places[positions]
        out = np.empty((len(places), self.width), np.float32)
        for shard in np.unique(places[:, 0]):
            here = places[:, 0] == shard
            out[here] = self.shards[shard].table["row"][places[here, 1]]
        self._touched += out.nbytes
        if self._touched > RESIDENT_BYTES:
            self._release()
        return out

    def _release(self) -> None:
        for shard in self.shards:
            shard.release()
        self._touched = 0


class Store:
    """A folder of shards, each named by the SHA-256 of its content, so that a damaged one is known and left out.

    Used as a context: what was added is on disk when the block ends, also when it ends by an error or by Ctrl-C.
    """

    def __init__(self, folder: Path, width: int) -> None:
        self.folder, self.width = folder, width
        self.dtype = np.dtype([("key", f"S{KEY}"), ("row", "<f4", (width,))])
        self.shards: list[Shard] = []
        self.places: dict[bytes, tuple[int, int]] = {}
        self.damaged: list[Path] = []
        self._keys: list[str] = []
        self._rows: list[np.ndarray] = []
        for path in sorted(folder.glob("*.npy")):
            self._open(path)

    @classmethod
    def existing(cls, folder: Path) -> Self:
        """The store of a folder that holds shards already, whatever the width of its rows."""
        first = Shard(min(folder.glob("*.npy")))
        return cls(folder, first.table.dtype["row"].shape[0])

    def _open(self, path: Path) -> None:
        if sha256(path) != path.stem:
            self.damaged.append(path)
            return
        shard = Shard(path)
        self.places.update({key: (len(self.shards), row) for row, key in enumerate(shard.table["key"].tolist())})
        shard.release()
        self.shards.append(shard)

    def missing(self, keys: Sequence[str]) -> list[int]:
        """The positions of the keys that are not there."""
        return [position for position, key in enumerate(keys) if key.encode() not in self.places]

    def add(self, keys: Sequence[str], rows: np.ndarray) -> None:
        """Keep (N, D) rows; they are written a shard at a time."""
        self._keys.extend(keys)
        self._rows.append(rows)
        if len(self._keys) * self.dtype.itemsize >= SHARD_BYTES:
            self.flush()

    def flush(self) -> None:
        if not self._keys:
            return
        shard = np.empty(len(self._keys), self.dtype)
        shard["key"] = [key.encode() for key in self._keys]
        shard["row"] = np.concatenate(self._rows)
        self._keys, self._rows = [], []
        path = self._write(shard)
        self._open(path)

    def _write(self, shard: np.ndarray) -> Path:
        buffer = io.BytesIO()
        np.save(buffer, shard, allow_pickle=False)
        path = self.folder / f"{hashlib.sha256(buffer.getbuffer()).hexdigest()}.npy"
        with atomic(path) as temporary:
            temporary.write_bytes(buffer.getbuffer())
        return path

    def rows(self, keys: Sequence[str]) -> Rows:
        """The rows of these keys, in this order."""
        places = np.array([self.places[key.encode()] for key in keys], np.int64).reshape(-1, 2)
        return Rows(self.shards, places, self.width)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.flush()
