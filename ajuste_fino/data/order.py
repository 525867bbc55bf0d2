"""In which order samples are read, as batches of positions: decided by seed and epoch alone."""

import hashlib
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.utils.data import Sampler


class EpochBatchSampler(Sampler[list[int]]):
    """Batches of positions; with a seed, shuffled by a permutation that depends on the seed and the epoch alone.

    With several views each image's view is drawn anew every epoch, from the same seed. Lightning calls `set_epoch` before
    each epoch. In training, which is where the order is shuffled, a last batch of one is joined to the one before:
    BatchNorm has no variance of a single image.
    """

    def __init__(self, count: int, batch_size: int, seed: int | None = None, views: int = 1) -> None:
        self.count, self.batch_size, self.seed, self.views, self.epoch = count, batch_size, seed, views, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self.count // self.batch_size) - self._joins

    def __iter__(self) -> Iterator[list[int]]:
        positions = torch.arange(self.count) if self.seed is None else self._shuffled()
        batches = [batch.tolist() for batch in positions.split(self.batch_size)]
        if self._joins:
            last = batches.pop()
            batches[-1] += last
        yield from batches

    @property
    def _joins(self) -> bool:
        return self.seed is not None and self.count > self.batch_size > 1 and self.count % self.batch_size == 1

    def _shuffled(self) -> Tensor:
        key = hashlib.sha256(f"order {self.seed} {self.epoch}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(key[:8], "big", signed=True))
        view = torch.randint(self.views, (self.count,), generator=generator)
        return self._order(generator) + view * self.count

    def _order(self, generator: torch.Generator) -> Tensor:
        return torch.randperm(self.count, generator=generator)


class BalancedBatchSampler(EpochBatchSampler):
    """As many positions an epoch as there are samples, drawn with replacement so that every class is as frequent."""

    def __init__(self, targets: Sequence[int], batch_size: int, seed: int, views: int = 1) -> None:
        super().__init__(len(targets), batch_size, seed, views)
        classes = torch.tensor(targets)
        self.weights = 1 / classes.bincount()[classes]  # of the positions

    def _order(self, generator: torch.Generator) -> Tensor:
        return torch.multinomial(self.weights, self.count, replacement=True, generator=generator)


class SubsetBatchSampler(EpochBatchSampler):
    """Batches of some positions, in the order given."""

    def __init__(self, positions: list[int], batch_size: int) -> None:
        super().__init__(len(positions), batch_size)
        self.positions = positions

    def __iter__(self) -> Iterator[list[int]]:
        for start in range(0, self.count, self.batch_size):
            yield self.positions[start : start + self.batch_size]
