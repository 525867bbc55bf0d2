"""Rows that are read block by block: shuffled through a buffer for training, in their order for validation."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ajuste_fino.data.order import EpochBatchSampler, seed_of_order

Rows = tuple[Tensor, Tensor]  # x (N, D), y (N,)


class Blocks(Protocol):
    """Rows in blocks, each of which is read at once."""

    width: int
    sizes: Sequence[int]  # rows of each block

    def each(self, order: Sequence[int]) -> Iterator[Rows]:
        """The blocks of these numbers, in that order."""
        ...


class StreamOrder(EpochBatchSampler):
    """The numbers of an epoch's batches; `StreamedTraining` knows which rows are in each.

    A last batch of one row is joined to the one before, as in any training.
    """

    def batches(self) -> range:  # type: ignore[override]
        return range(len(self))

    def sizes(self) -> Iterator[int]:
        """How many rows each batch has."""
        whole = len(self) - 1
        yield from (self.batch_size for _ in range(whole))
        yield self.count - whole * self.batch_size


class StreamedTraining(Dataset[Rows]):
    """The batches of an epoch by their numbers, in an order that seed and epoch decide.

    Blocks are read in a shuffled order into a buffer; each next block takes the places of as many rows drawn from it, which
    are handed on. So a row moves by about the size of the buffer, and nothing is read at random places. A buffer that holds
    all rows is filled once. Reading goes on from batch to batch; another batch than the next one is found by reading anew.

    Args:
        order: whose epoch and batch size count.
        rows: that the buffer holds, at most.
    """

    def __init__(self, blocks: Blocks, order: StreamOrder, seed: int, rows: int) -> None:
        self.blocks, self.order, self.seed = blocks, order, seed
        capacity = max(min(rows, sum(blocks.sizes)), 1)
        self.x, self.y = torch.empty(capacity, blocks.width), torch.empty(capacity, dtype=torch.long)
        self.filled, self.place = 0, (-1, 0, 0)  # epoch, batch size and batch that come next
        self.stream: Iterator[Rows] = iter(())

    def __getitem__(self, batch: int | list[int]) -> Rows:
        if isinstance(batch, list):  # an example, of which only the shape counts
            return torch.zeros(len(batch), self.blocks.width), torch.zeros(len(batch), dtype=torch.long)
        epoch, size = self.order.epoch, self.order.batch_size
        if self.place != (epoch, size, batch):
            self.stream = self._batches(epoch)
            for _ in range(batch):
                next(self.stream)
        self.place = (epoch, size, batch + 1)
        return next(self.stream)

    def _batches(self, epoch: int) -> Iterator[Rows]:
        """Cut what comes out of the buffer into batches."""
        pieces, waiting = self._shuffled(epoch), list[Rows]()
        for size in self.order.sizes():
            while sum(len(y) for _, y in waiting) < size:
                waiting.append(next(pieces))
            x, y = (torch.cat(parts) for parts in zip(*waiting, strict=True)) if len(waiting) > 1 else waiting[0]
            yield x[:size], y[:size]
            waiting = [(x[size:], y[size:])] if len(y) > size else []

    def _shuffled(self, epoch: int) -> Iterator[Rows]:
        generator = torch.Generator().manual_seed(seed_of_order(self.seed, epoch))
        count, capacity = len(self.blocks.sizes), len(self.y)
        if capacity < sum(self.blocks.sizes):
            self.filled = 0
            for x, y in self.blocks.each(torch.randperm(count, generator=generator).tolist()):
                yield from self._exchanged(x, y, generator)
        elif not self.filled:
            for x, y in self.blocks.each(range(count)):
                self._fill(x, y)
        for part in torch.randperm(self.filled, generator=generator).split(1024):
            yield self.x[part], self.y[part]

    def _fill(self, x: Tensor, y: Tensor) -> int:
        """Put rows where the buffer is empty; return how many."""
        count = min(len(self.y) - self.filled, len(y))
        here = slice(self.filled, self.filled + count)
        self.x[here], self.y[here] = x[:count], y[:count]
        self.filled += count
        return count

    def _exchanged(self, x: Tensor, y: Tensor, generator: torch.Generator) -> Iterator[Rows]:
        """Put rows into the buffer, and hand on those whose places they take."""
        start = self._fill(x, y)
        for a, b in zip(x[start:].split(len(self.y)), y[start:].split(len(self.y)), strict=True):
            if len(b):
                places = torch.randperm(len(self.y), generator=generator)[: len(b)]
                out = self.x[places], self.y[places]
                self.x[places], self.y[places] = a, b
                yield out


class BlockOrder(EpochBatchSampler):
    """The numbers of blocks, one after the other."""

    def __init__(self, blocks: Blocks) -> None:
        super().__init__(sum(blocks.sizes), max(blocks.sizes, default=1))
        self.blocks = len(blocks.sizes)

    def __len__(self) -> int:
        return self.blocks

    def batches(self) -> range:  # type: ignore[override]
        return range(self.blocks)


class StreamedBlocks(Dataset[Rows]):
    """Blocks by their numbers, read one after the other; they stay in memory where they are few.

    Args:
        kept: bytes that they may take there.
    """

    def __init__(self, blocks: Blocks, kept: int) -> None:
        self.blocks, self.next = blocks, -1
        self.stream: Iterator[Rows] = iter(())
        self.keeps = 4 * blocks.width * sum(blocks.sizes) <= kept
        self.there = dict[int, Rows]()

    def __getitem__(self, number: int) -> Rows:
        if number in self.there:
            return self.there[number]
        if number != self.next:
            self.stream = self.blocks.each(range(number, len(self.blocks.sizes)))
        self.next = number + 1
        found: Rows = next(self.stream)
        if self.keeps:
            self.there[number] = found
        return found
