"""The LightningDataModule: a training and a validation set, whatever they hold, in a reproducible order."""

from typing import Any

import lightning.pytorch as pl
from torch.utils.data import DataLoader, Dataset

from ajuste_fino.data.loading import loader
from ajuste_fino.data.order import EpochBatchSampler


class DataModule(pl.LightningDataModule):
    """Batches of `train` (in a new order every epoch) and `val`; both give x, y for a list of positions."""

    def __init__(
        self, train: tuple[Dataset[Any], EpochBatchSampler], val: tuple[Dataset[Any], EpochBatchSampler], workers: int
    ) -> None:
        super().__init__()
        self.train, self.val, self.workers = train, val, workers

    def train_dataloader(self) -> DataLoader[Any]:
        return loader(*self.train, self.workers)

    def val_dataloader(self) -> DataLoader[Any]:
        return loader(*self.val, self.workers)
