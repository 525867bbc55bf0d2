"""Rows of features that `extract` wrote, by split, read block by block."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from hashlib import sha256
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ajuste_fino.data.hashing import Progress
from ajuste_fino.data.names import natural
from ajuste_fino.data.sample import SPLITS
from ajuste_fino.data.stream import Rows
from ajuste_fino.errors import AjusteFinoError
from ajuste_fino.features.extracted import Extracted, features_in

OPEN_FILES = 16


class Block(NamedTuple):
    """Some consecutive rows of a group of rows in a file."""

    file: str
    group: int
    start: int
    stop: int


class SplitByKey:
    """The split of a content, where the layout gave none, from its hash and the seed alone.

    Hashes are spread evenly, so a range of them is a random sample; as rows are sorted by their hashes, those of a split lie
    together and are read without the others. Which range is what the seed decides.
    """

    def __init__(self, val: float, test: float, seed: int) -> None:
        self.val, self.test = val, test
        self.first = int.from_bytes(sha256(f"split {seed}".encode()).digest()[:8], "big") / 2**64

    def __call__(self, key: str, given: str) -> str:
        """The split of a content; `given` is what the layout says of it, which counts, but for validation out of train."""
        if given and not (given == "train" and self.val):
            return given
        place = (int(key[:13], 16) / 16**13 - self.first) % 1
        return "test" if place < self.test else "val" if place < self.test + self.val else "train"


class StreamedFeatures:
    """The rows of each split: how many of which class, and where they are. Building it reads keys and labels, no features.

    Args:
        val: the share for validation, where the layout has no such split; `test` likewise, where it has none at all.
    """

    def __init__(self, extracted: Extracted, val: float, test: float, seed: int, progress: Progress) -> None:
        self.extracted, self.width = extracted, extracted.width
        self.labels = sorted(extracted.about["classes"], key=natural)
        self.number = {label: n for n, label in enumerate(self.labels)}
        given = {file["split"] for file in extracted.about["files"]} - {""}
        self.split_of = SplitByKey(0.0 if "val" in given else val, 0.0 if given else test, seed)
        self.blocks: dict[str, list[Block]] = {split: [] for split in SPLITS}
        self.counts = {split: np.zeros(len(self.labels), np.int64) for split in SPLITS}
        self.parquet = lru_cache(OPEN_FILES)(extracted.storage.parquet)
        self.parquet_of_texts = lru_cache(1)(extracted.storage.parquet)  # its own: files are read ahead by another thread
        self.reader = ThreadPoolExecutor(1)  # reads the next block while one is worked on
        names = [file["name"] for file in extracted.about["files"]]
        for name in progress(names, len(names), "Reading labels"):
            self._index(name)

    def _index(self, name: str) -> None:
        file = self.parquet_of_texts(name)
        for group in range(file.num_row_groups):
            keys, labels, given = self._texts(name, group, ("key", "label", "split"))
            numbers = np.array([self.number[label] for label in labels])
            splits = list(map(self.split_of, keys, given))
            start = 0
            for split, run in groupby(splits):
                stop = start + len(list(run))
                self.blocks[split].append(Block(name, group, start, stop))
                self.counts[split] += np.bincount(numbers[start:stop], minlength=len(self.labels))
                start = stop

    def _texts(self, name: str, group: int, columns: Sequence[str]) -> list[list[str]]:
        table = self.parquet_of_texts(name).read_row_group(group, columns=list(columns), use_threads=False)
        return [table.column(column).to_pylist() for column in columns]

    def total(self, split: str) -> int:
        return int(self.counts[split].sum())

    def of(self, split: str) -> "SplitBlocks":
        return SplitBlocks(self, self.blocks[split])

    def texts(self, block: Block, *columns: str) -> list[list[str]]:
        """The texts of some columns of a block: key, file, label."""
        return [one[block.start : block.stop] for one in self._texts(block.file, block.group, columns)]

    def targets(self, block: Block) -> Tensor:
        """(N,): the numbers of the labels of a block."""
        return torch.tensor([self.number[label] for label in self.texts(block, "label")[0]])

    def read(self, block: Block) -> Rows:
        """The features (N, D) and the numbers of the labels (N,) of a block.

        Raises:
            AjusteFinoError: where the file is not as it was written.
        """
        try:
            table = self.parquet(block.file).read_row_group(block.group, columns=["label", "feature"], use_threads=False)
        except OSError as error:
            where = f"{self.extracted.storage.where}/{block.file}"
            raise AjusteFinoError(f"{where} cannot be read ({error}): bring it back as extract wrote it.") from error
        here = slice(block.start, block.stop)
        labels = [self.number[label] for label in table.column("label").to_pylist()[here]]
        return torch.from_numpy(np.array(features_in(table, self.width)[here])), torch.tensor(labels)

    def close(self) -> None:
        self.reader.shutdown(wait=False, cancel_futures=True)


class SplitBlocks:
    """The blocks of a split, as `data.stream` reads them."""

    def __init__(self, rows: StreamedFeatures, blocks: Sequence[Block]) -> None:
        self.rows, self.blocks, self.width = rows, blocks, rows.width
        self.sizes: Sequence[int] = [block.stop - block.start for block in blocks]

    def each(self, order: Sequence[int]) -> Iterator[Rows]:
        """Blocks in that order; while one is worked on, the next is read."""
        waiting: Any = None
        for number in order:
            coming = self.rows.reader.submit(self.rows.read, self.blocks[number])
            if waiting is not None:
                yield waiting.result()
            waiting = coming
        if waiting is not None:
            yield waiting.result()

    def first(self, most: int) -> list[Block]:
        """The first blocks, of at most so many rows in all, the last of them cut; rows in the order of hashes are a sample."""
        found = list[Block]()
        for block in self.blocks:
            found.append(block._replace(stop=min(block.stop, block.start + most)))
            most -= found[-1].stop - block.start
            if most <= 0:
                break
        return found
