"""What `extract` keeps while it is at work: parts of the features, each whole or absent, and the list of files at the end."""

import hashlib
import io
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ajuste_fino.errors import AjusteFinoError
from ajuste_fino.features.extracted import PARTS, encoded
from ajuste_fino.storage import Storage

ROWS = f"{PARTS}rows-"
LISTS = f"{PARTS}files-"
PART_BYTES = 64 * 2**20  # held in memory until a part is written
PART_SECONDS = 60  # of work, at most, that a kill can lose
GROUP = 64  # rows that the merge reads at once
COLUMNS = ("file", "label", "split", "key", "kind", "reason")


class FileRow(NamedTuple):
    """A file, its content's hash ("" where it could not be read), which kind of bad image it is, and why ("": none)."""

    file: str
    label: str
    split: str
    key: str
    kind: str = ""
    reason: str = ""


class PartWriter:
    """Collects rows, and writes a part of them, sorted by key, when there are many or some time has passed."""

    def __init__(self, storage: Storage) -> None:
        self.storage, self.rows, self.bytes = storage, dict[str, np.ndarray](), 0
        self.written = time.monotonic()

    def add(self, keys: Sequence[str], features: np.ndarray) -> None:
        self.rows.update(zip(keys, features, strict=True))
        self.bytes += features.nbytes
        if self.rows and (self.bytes >= PART_BYTES or time.monotonic() - self.written >= PART_SECONDS):
            self.flush()

    def flush(self) -> None:
        """Write the rows so far, under a name that their content decides."""
        if not self.rows:
            return
        keys = sorted(self.rows)
        content = encoded({"key": keys}, np.stack([self.rows[key] for key in keys]), GROUP)
        self.storage.write(f"{ROWS}{hashlib.sha256(content).hexdigest()[:32]}.parquet", content)
        self.rows, self.bytes, self.written = {}, 0, time.monotonic()


def parts(storage: Storage) -> list[str]:
    """The names of the parts that are there."""
    return [name for name in storage.names(PARTS) if name.startswith(ROWS)]


def known_keys(storage: Storage) -> set[str]:
    """The contents whose features are in parts already."""
    found = set[str]()
    for name in parts(storage):
        found.update(storage.parquet(name).read(columns=["key"]).column("key").to_pylist())
    return found


def list_name(shard: int, shards: int) -> str:
    return f"{LISTS}{shard:05}-of-{shards:05}.parquet"


def write_list(storage: Storage, rows: Sequence[FileRow], shard: int, shards: int, listing: str) -> None:
    """Write what became of the files of a shard, which says that it has ended.

    Args:
        listing: the hash of the names of all files, of all shards.
    """
    import pyarrow as pa
    from pyarrow import parquet

    columns = {name: pa.array([row[n] for row in rows], pa.string()) for n, name in enumerate(COLUMNS)}
    buffer = io.BytesIO()
    parquet.write_table(pa.table(columns).replace_schema_metadata({"listing": listing}), buffer, compression="zstd")
    storage.write(list_name(shard, shards), buffer.getbuffer())


def read_lists(storage: Storage, names: Sequence[str]) -> Iterator[tuple[str, list[FileRow]]]:
    """Of each list of files, the hash of all names, and its rows."""
    for name in names:
        table = storage.parquet(name).read()
        listing = (table.schema.metadata or {}).get(b"listing")
        if listing is None:
            raise AjusteFinoError(f"{storage.where}/{name} is not a list that extract wrote: remove it, and start again.")
        yield listing.decode(), [FileRow(*row.values()) for row in table.to_pylist()]


def shards_there(storage: Storage) -> dict[int, list[int]]:
    """By number of shards, which of them have ended."""
    found: dict[int, list[int]] = {}
    for name in storage.names(PARTS):
        if name.startswith(LISTS):
            shard, _, shards = name.removeprefix(LISTS).removesuffix(".parquet").partition("-of-")
            found.setdefault(int(shards), []).append(int(shard))
    return found
