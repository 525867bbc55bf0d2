"""The LightningDataModule: a training and a validation set, whatever they hold, in a reproducible order."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

import lightning.pytorch as pl
from torch.utils.data import DataLoader, Dataset

from ajuste_fino.data.loading import loader
from ajuste_fino.data.order import EpochBatchSampler


class DataModule(pl.LightningDataModule):
    """Batches of `train` (in a new order every epoch) and `val`; both give x, y for a list of positions.

    Args:
        files: the names of the training images, for messages.
    """

    def __init__(
        self,
        train: tuple[Dataset[Any], EpochBatchSampler],
        val: tuple[Dataset[Any], EpochBatchSampler],
        workers: int,
        files: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.train, self.val, self.workers, self.files = train, val, workers, files

    def files_of(self, batch: int) -> list[str]:
        """The images of a batch of this epoch, by its number: the order is a function of seed and epoch, so it is known."""
        _, order = self.train
        positions = next(islice(order, batch, None))
        return [self.files[position % order.count] for position in positions] if self.files else []

    def train_dataloader(self) -> DataLoader[Any]:
        return loader(*self.train, self.workers)

    def val_dataloader(self) -> DataLoader[Any]:
        return loader(*self.val, self.workers)
