"""Stop training before the time is over."""

import time
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from ajuste_fino.console import log


class Deadline(Callback):
    """Begins no epoch that would end after `until`, a value of `time.monotonic()`, if it took as long as the one before."""

    def __init__(self, until: float) -> None:
        self.until = until

    def on_train_epoch_start(self, trainer: pl.Trainer, module: Any) -> None:
        self.began = time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, module: Any) -> None:
        now, more = time.monotonic(), trainer.current_epoch + 1 < (trainer.max_epochs or 0)
        if more and now + (now - self.began) > self.until:
            log.warning(f"The time is over after epoch {trainer.current_epoch + 1} of {trainer.max_epochs}; the best is kept.")
            trainer.should_stop = True
