"""In which order samples are read, as batches of positions: decided by seed and epoch alone."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Sampler

from ajuste_fino import ranks


def seed_of_step(seed: int, epoch: int, step: int) -> int:
    """Return the seed of what is drawn in a step of training, so that no step depends on those before it.

    Of several processes that train together each has its own.
    """
    return _seed(f"step {seed} {epoch} {step}" + (f" {ranks.number()}" if ranks.number() else ""))


def seed_of_order(seed: int | None, epoch: int) -> int:
    """Return the seed of the order of an epoch."""
    return _seed(f"order {seed} {epoch}")


def _seed(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big", signed=True)


class EpochBatchSampler(Sampler[list[int]]):
    """Batches of positions; with a seed, shuffled by a permutation that depends on the seed and the epoch alone.

    With several views each image's view is drawn anew every epoch, from the same seed. Lightning calls `set_epoch` before
    each epoch. In training, which is where the order is shuffled, a last batch of one is joined to the one before:
    BatchNorm has no variance of a single image. Where several processes train together, so is a batch of fewer images than
    processes, since each must have one.
    """

    def __init__(self, count: int, batch_size: int, seed: int | None = None, views: int = 1) -> None:
        self.count, self.batch_size, self.seed, self.views, self.epoch = count, batch_size, seed, views, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self.count // self.batch_size) - self._joins

    def __iter__(self) -> Iterator[list[int]]:
        yield from self.batches()

    def batches(self) -> list[list[int]]:
        """Return the positions of each batch of the epoch."""
        positions = torch.arange(self.count) if self.seed is None else self._shuffled()
        batches = [batch.tolist() for batch in positions.split(self.batch_size)]
        if self._joins:
            last = batches.pop()
            batches[-1] += last
        return batches

    @property
    def _joins(self) -> bool:
        fewest = max(ranks.count(), 1 if self.seed is None else 2)
        return self.count > self.batch_size > 1 and 0 < self.count % self.batch_size < fewest

    def size(self, number: int) -> int:
        """Return how many positions a batch has, by its number."""
        return self.batch_size if number < len(self) - 1 else self.count - self.batch_size * (len(self) - 1)

    def _shuffled(self) -> Tensor:
        generator = torch.Generator().manual_seed(seed_of_order(self.seed, self.epoch))
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


class PhasedBatchSampler(Sampler[tuple[int, list[int]]]):
    """Batches of the phase that an epoch belongs to, with the phase's number; all phases have the same number of them.

    Of processes that train together each has its share of every batch.

    Args:
        orders: of each phase.
        phase_of: the number of an epoch → that of its phase.
    """

    def __init__(self, orders: Sequence[EpochBatchSampler], phase_of: Callable[[int], int]) -> None:
        self.orders, self.phase_of = orders, phase_of
        self.begun = (-1, 0)
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        self.epoch, self.phase = epoch, self.phase_of(epoch)
        self.orders[self.phase].set_epoch(epoch)

    def begin_at(self, epoch: int, batch: int) -> None:
        """Begin with a batch of an epoch, as a run does that is resumed; later epochs have all of theirs."""
        self.begun = (epoch, batch)
        self.set_epoch(epoch)

    @property
    def batch_size(self) -> int:
        return self.orders[0].batch_size

    def files(self, batch: int, names: Sequence[str]) -> list[str]:
        """Return the names of the samples in a batch of this epoch: the order follows from seed and epoch."""
        order = self.orders[self.phase]
        return [names[position % order.count] for position in order.batches()[batch]]

    def weight(self, batch: int) -> float:
        """Return what the mean over this process's share of a batch counts, where the mean of all processes' is taken."""
        size = self.orders[self.phase].size(batch)
        return len(range(ranks.number(), size, ranks.count())) * ranks.count() / size

    def __len__(self) -> int:
        return len(self.orders[self.phase])

    def __iter__(self) -> Iterator[tuple[int, list[int]]]:
        epoch, batch = self.begun
        first = batch if epoch == self.epoch else 0
        batches: Any = self.orders[self.phase].batches()  # numbers of batches where they are streamed
        for batch in batches[first:]:
            yield self.phase, batch if ranks.count() == 1 else ranks.share(batch)


class SubsetBatchSampler(EpochBatchSampler):
    """Batches of some positions, in the order given."""

    def __init__(self, positions: list[int], batch_size: int) -> None:
        super().__init__(len(positions), batch_size)
        self.positions = positions

    @property
    def _joins(self) -> bool:
        return False

    def __iter__(self) -> Iterator[list[int]]:
        for start in range(0, self.count, self.batch_size):
            yield self.positions[start : start + self.batch_size]
