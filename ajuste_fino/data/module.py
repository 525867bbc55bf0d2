"""The LightningDataModule: a training and a validation set for each phase, whatever they hold, in a reproducible order."""

from collections.abc import Callable, Sequence
from typing import Any

import lightning.pytorch as pl
from torch.utils.data import DataLoader, Dataset

from ajuste_fino.data.loading import loader
from ajuste_fino.data.order import EpochBatchSampler, PhasedBatchSampler

Part = tuple[Dataset[Any], EpochBatchSampler]


class PhasedDataset(Dataset[Any]):
    """The datasets of all phases, read at the number of a phase and a list of positions."""

    def __init__(self, datasets: Sequence[Dataset[Any]]) -> None:
        self.datasets = datasets

    def __getitem__(self, place: tuple[int, list[int]]) -> Any:
        phase, positions = place
        return self.datasets[phase][positions]


class DataModule(pl.LightningDataModule):
    """Batches of `train` (in a new order every epoch) and `val`; both have for each phase what gives x, y for positions.

    Args:
        workers: processes that make batches; 0: none.
        files: the names of the training images, for messages.
        phase_of: the number of an epoch → that of its phase.
    """

    def __init__(
        self,
        train: Sequence[Part],
        val: Sequence[Part],
        workers: int,
        files: Sequence[str] = (),
        phase_of: Callable[[int], int] = lambda _: 0,
    ) -> None:
        super().__init__()
        self.train, self.val, self.workers, self.files = train, val, workers, files
        self.orders = [PhasedBatchSampler([order for _, order in parts], phase_of) for parts in (train, val)]

    @property
    def batch_size(self) -> int:
        return self.orders[0].batch_size

    @property
    def val_size(self) -> int:
        """How many images a batch of validation has."""
        return self.orders[1].batch_size

    def set_batch_size(self, size: int) -> None:
        """Let the training begin again, in batches of so many images."""
        for _, order in self.train:
            order.batch_size = size
        self.begin_at(0, 0)

    def files_of(self, batch: int) -> list[str]:
        """The images of a batch of this epoch, by its number."""
        return self.orders[0].files(batch, self.files) if self.files else []

    def weight(self, batch: int) -> float:
        """Return what this process's share of a training batch counts in the mean of all processes."""
        return self.orders[0].weight(batch)

    def begin_at(self, epoch: int, batch: int) -> None:
        """Begin with a batch of an epoch, as a run does that is resumed."""
        self.orders[0].begin_at(epoch, batch)

    def train_dataloader(self) -> DataLoader[Any]:
        return loader(PhasedDataset([dataset for dataset, _ in self.train]), self.orders[0], self.workers)

    def val_dataloader(self) -> DataLoader[Any]:
        return loader(PhasedDataset([dataset for dataset, _ in self.val]), self.orders[1], self.workers)
