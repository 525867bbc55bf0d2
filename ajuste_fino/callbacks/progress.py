"""How far training is: a bar on a terminal, else lines; the log file has a line an epoch in any case."""

import time
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ajuste_fino.console import EVERY, console, has_bars, log, seconds_left
from ajuste_fino.phases import Phases


class ProgressBar(Callback):
    """Counts the steps of a phase, since those of another take another time; early stopping can only make it shorter.

    Ctrl-C stops it.
    """

    def __init__(self) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(10), TimeRemainingColumn(), TextColumn("left at most"))
        self.progress = Progress(*columns, console=console, transient=True, disable=not has_bars())
        self.task, self.phase = self.progress.add_task("Training"), -1

    def on_train_start(self, trainer: pl.Trainer, module: Any) -> None:
        self.progress.start()
        self._begin(trainer, module.plan.phases)

    def on_train_epoch_start(self, trainer: pl.Trainer, module: Any) -> None:
        self._begin(trainer, module.plan.phases)

    def _begin(self, trainer: pl.Trainer, phases: Phases) -> None:
        """Begin to count, where a phase begins or is gone on with."""
        moment, steps = phases.at(trainer.current_epoch), int(trainer.num_training_batches)
        if moment.phase == self.phase:
            return
        self.phase, self.begun, self.said = moment.phase, time.monotonic(), time.monotonic()
        self.steps, self.total = 0, (phases.lengths[moment.phase] - moment.epoch) * steps
        several = f"Phase {moment.phase + 1} of {len(phases)} trains from {phases[moment.phase].train_from}"
        self.progress.reset(self.task, total=self.total, description=several if len(phases) > 1 else "Training")
        if len(phases) > 1:
            log.debug(f"{several}, {phases.lengths[moment.phase]} epochs")

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any, **__: Any) -> None:
        self.progress.advance(self.task)
        self.steps += 1
        now = time.monotonic()
        if now - self.said >= EVERY:  # an epoch that takes long
            self.said = now
            step = trainer.fit_loop.batch_idx + 1
            where = f"Epoch {trainer.current_epoch + 1}: step {step:,} of {int(trainer.num_training_batches):,}"
            log.debug(f"{where}, {self._left()} left at most")

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        done, total = trainer.current_epoch + 1, trainer.max_epochs or 0
        loss, accuracy = (trainer.callback_metrics[name] for name in ("val/loss", "val/accuracy"))
        what = f"Epoch {done} of {total}: validation loss {loss:.3f}, accuracy {accuracy:.3f}"
        self.progress.update(self.task, description=what)
        self.said = time.monotonic()
        log.debug(f"{what}; {self._left()} left at most")

    def _left(self) -> str:
        return seconds_left(self.steps, self.total, time.monotonic() - self.begun)

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.progress.stop()

    def on_exception(self, trainer: pl.Trainer, module: pl.LightningModule, exception: BaseException) -> None:
        self.progress.stop()
