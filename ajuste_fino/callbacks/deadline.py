"""Stop training before the time is over."""

import time
from collections.abc import Sequence
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from ajuste_fino.console import log


class Deadline(Callback):
    """Begins no epoch that would end after `until`, a value of `time.monotonic()`.

    Args:
        seconds: what an epoch of each phase was thought to take; where one has been trained, it counts how long that took.
    """

    def __init__(self, until: float, seconds: Sequence[float] = ()) -> None:
        self.until, self.seconds = until, list(seconds)

    def on_train_epoch_start(self, trainer: pl.Trainer, module: Any) -> None:
        self.began = time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, module: Any) -> None:
        phases, now = module.plan.phases, time.monotonic()
        took, epoch = now - self.began, trainer.current_epoch
        now_in, next_in = phases.at(epoch).phase, phases.at(epoch + 1).phase
        planned = self.seconds[next_in] if now_in != next_in and next_in < len(self.seconds) else took
        if epoch + 1 < (trainer.max_epochs or 0) and now + planned > self.until:
            log.warning(f"The time is over after epoch {epoch + 1} of {trainer.max_epochs}; the best is kept.")
            trainer.should_stop = True
