"""From the parts of features to the files that are read: sorted, each content once, the same bytes however it was divided."""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from ajuste_fino.data.hashing import Progress
from ajuste_fino.data.sample import SPLITS
from ajuste_fino.errors import AjusteFinoError, counted
from ajuste_fino.features.extracted import FILES, GROUPS, PARTS, encoded, features_in, group_rows, key_range
from ajuste_fino.features.parts import parts
from ajuste_fino.storage import Storage

CHUNK_BYTES = 256 * 2**20  # of features that are put in order at a time
ORDER = (*SPLITS, "")  # of the files of splits


class Row(NamedTuple):
    """A content: its hash, the first of its files, their label and split."""

    key: str
    file: str
    label: str
    split: str


class Moments:
    """Mean and standard deviation of rows in double precision, a block at a time.

    Source: Chan, Golub and LeVeque, "Algorithms for Computing the Sample Variance", *The American Statistician* 37, 1983.
    """

    def __init__(self) -> None:
        self.rows, self.mean, self.squares = 0, np.zeros(()), np.zeros(())

    def add(self, features: np.ndarray) -> None:
        block = features.astype(np.float64)
        mean, rows = block.mean(0), self.rows + len(block)
        off = mean - self.mean
        self.squares = self.squares + np.square(block - mean).sum(0) + np.square(off) * (self.rows * len(block) / rows)
        self.mean, self.rows = self.mean + off * (len(block) / rows), rows

    def metadata(self) -> dict[str, Any]:
        return {"rows": self.rows, "mean": self.mean.tolist(), "std": np.sqrt(self.squares / self.rows).tolist()}


def merge(storage: Storage, rows: Sequence[Row], width: int, progress: Progress) -> dict[str, Any]:
    """Write the files of features; return what `about.json` says of them.

    The files of each split that the layout gives follow each other, so that validation reads its own only; within a split rows
    are sorted by key. Memory holds the rows without their features, and 256 MiB of these.

    Args:
        rows: sorted by split and key, each content once.
        width: how many numbers a feature has.
    """
    for name in storage.names():
        if name.startswith(FILES):
            storage.remove(name)
    source, of_file = Parts(storage, width), GROUPS * group_rows(width)
    at_once = max(CHUNK_BYTES // (4 * width * of_file), 1) * of_file
    chunks = [chunk for _, one in groupby(rows, lambda row: row.split) for chunk in _divided(list(one), at_once)]
    files, moments = list[dict[str, Any]](), dict[str, Moments]()
    for chunk in progress(chunks, len(chunks), "Writing features"):
        features = source.read([row.key for row in chunk])
        for start in range(0, len(chunk), of_file):
            part, block = chunk[start : start + of_file], features[start : start + of_file]
            moments.setdefault(part[0].split, Moments()).add(block)
            files.append(_write(storage, f"{FILES}{len(files):05}.parquet", part, block))
    return {"files": files, "statistics": {split: one.metadata() for split, one in moments.items()}}


def _divided(rows: list[Row], size: int) -> Iterator[list[Row]]:
    yield from (rows[start : start + size] for start in range(0, len(rows), size))


def _write(storage: Storage, name: str, rows: Sequence[Row], features: np.ndarray) -> dict[str, Any]:
    columns = {field: [getattr(row, field) for row in rows] for field in Row._fields}
    content = encoded(columns, features, group_rows(features.shape[1]))
    storage.write(name, content)
    return {"name": name, "rows": len(rows), "split": rows[0].split, "sha256": hashlib.sha256(content).hexdigest()}


class Parts:
    """Features in parts, each sorted by key, of which those between two keys are read."""

    def __init__(self, storage: Storage, width: int) -> None:
        self.storage, self.width = storage, width
        self.ranges = [(name, self._ranges(name)) for name in parts(storage)]

    def _ranges(self, name: str) -> list[tuple[str, str]]:
        file = self.storage.parquet(name)
        return [key_range(file, group) for group in range(file.num_row_groups)]

    def read(self, keys: Sequence[str]) -> np.ndarray:
        """(N, D) float32 of contents that are sorted.

        Raises:
            AjusteFinoError: where some are in no part.
        """
        place = {key: n for n, key in enumerate(keys)}
        found, filled = np.empty((len(keys), self.width), np.float32), np.zeros(len(keys), bool)
        for name, ranges in self.ranges:
            groups = [n for n, (first, last) in enumerate(ranges) if first <= keys[-1] and last >= keys[0]]
            if groups:
                table = self.storage.parquet(name).read_row_groups(groups)
                places = np.array([place.get(key, -1) for key in table.column("key").to_pylist()])
                wanted = np.flatnonzero(places >= 0)
                found[places[wanted]] = features_in(table, self.width)[wanted]
                filled[places[wanted]] = True
        if not filled.all():
            lacking = counted(int((~filled).sum()), "feature")
            raise AjusteFinoError(f"{self.storage.where}/{PARTS} lacks {lacking}: start extract again, which computes them.")
        return found
