"""One bar for the whole training: the epoch, the metrics of the last validation, the time left at most."""

from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ajuste_fino.console import console


class ProgressBar(Callback):
    """Counts steps over all epochs; early stopping can only make it shorter. Ctrl-C stops it."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), TextColumn("left at most"))
        self.progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.progress.start()
        self.task = self.progress.add_task("Training", total=(trainer.max_epochs or 0) * int(trainer.num_training_batches))

    def on_train_batch_end(self, *_: Any, **__: Any) -> None:
        self.progress.advance(self.task)

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        metrics = ", ".join(f"{name[4:]} {trainer.callback_metrics[name]:.3f}" for name in ("val/loss", "val/accuracy"))
        what = f"Training, epoch {trainer.current_epoch + 1} of {trainer.max_epochs}, validation {metrics}"
        self.progress.update(self.task, description=what)

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.progress.stop()

    def on_exception(self, trainer: pl.Trainer, module: pl.LightningModule, exception: BaseException) -> None:
        self.progress.stop()
