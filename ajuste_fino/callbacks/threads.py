"""As many threads as the steps of a phase can employ."""

from collections.abc import Sequence
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback


class PhaseThreads(Callback):
    """Sets the number of threads of each phase, which decides in which order sums are rounded."""

    def __init__(self, threads: Sequence[int]) -> None:
        self.threads = threads

    def on_train_start(self, trainer: pl.Trainer, module: Any) -> None:
        self._set(trainer, module)

    def on_train_epoch_start(self, trainer: pl.Trainer, module: Any) -> None:
        self._set(trainer, module)

    def _set(self, trainer: pl.Trainer, module: Any) -> None:
        torch.set_num_threads(self.threads[module.plan.phases.at(trainer.current_epoch).phase])
