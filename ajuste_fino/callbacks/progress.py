"""How far training is: a bar on a terminal, else lines; the log file has a line an epoch in any case."""

import time
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ajuste_fino.console import EVERY, console, has_bars, log, seconds_left


class ProgressBar(Callback):
    """Counts steps over all epochs; early stopping can only make it shorter. Ctrl-C stops it."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(10), TimeRemainingColumn(), TextColumn("left at most"))
        self.progress = Progress(*columns, console=console, transient=True, disable=not has_bars())

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.begun = self.said = time.monotonic()
        self.steps, self.total = 0, (trainer.max_epochs or 0) * int(trainer.num_training_batches)
        self.progress.start()
        self.task = self.progress.add_task("Training", total=self.total)

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any, **__: Any) -> None:
        self.progress.advance(self.task)
        self.steps += 1
        now = time.monotonic()
        if now - self.said >= EVERY:  # an epoch that takes long
            self.said = now
            left = seconds_left(self.steps, self.total, now - self.begun)
            log.debug(f"Epoch {trainer.current_epoch + 1}: step {self.steps:,} of {self.total:,}, {left} left at most")

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        done, total = trainer.current_epoch + 1, trainer.max_epochs or 0
        loss, accuracy = (trainer.callback_metrics[name] for name in ("val/loss", "val/accuracy"))
        what = f"Epoch {done} of {total}: validation loss {loss:.3f}, accuracy {accuracy:.3f}"
        self.progress.update(self.task, description=what)
        self.said = time.monotonic()
        log.debug(f"{what}; {seconds_left(done, total, time.monotonic() - self.begun)} left at most")

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.progress.stop()

    def on_exception(self, trainer: pl.Trainer, module: pl.LightningModule, exception: BaseException) -> None:
        self.progress.stop()
