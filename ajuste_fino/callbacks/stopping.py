"""When training stops: once the last phase no longer improves, or when it is asked to."""

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch import callbacks

from ajuste_fino import ranks

ONE_STOP = 1  # second within which a launcher may pass on the signal that its processes have had
GRACE = 8  # seconds after a signal in which a step, or a validation, may come to its end


class EarlyStopping(callbacks.EarlyStopping):
    """Lightning's, for trainings of one phase: several have the epochs that they are given. What it stopped stays so."""

    def on_train_start(self, trainer: pl.Trainer, module: Any) -> None:
        """Of a run that stopped early, and is resumed, nothing more is trained."""
        trainer.should_stop = trainer.should_stop or self.wait_count >= self.patience
        self.single = len(module.plan.phases) == 1

    def on_validation_end(self, trainer: pl.Trainer, module: Any) -> None:
        if self.single:
            super().on_validation_end(trainer, module)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: Any) -> None:
        if self.single:
            super().on_train_epoch_end(trainer, module)


class Stops:
    """Signals that stop the process, held back until a moment at which nothing is lost.

    A second signal is obeyed at once, as is the first where the moment does not come within `GRACE` seconds.
    """

    def __init__(self) -> None:
        self.pending: Callable[[], None] | None = None
        self.before: dict[int, Any] = {}
        self.number, self.since = 0, 0.0  # of the signal that is pending, and when it came

    def hold(self) -> None:
        """Begin to hold signals back; only the main thread has them."""
        if threading.current_thread() is not threading.main_thread() or self.before:
            return
        names = ("SIGINT", "SIGTERM", "SIGHUP")
        numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
        handlers = {number: signal.getsignal(number) for number in numbers}
        self.before = {number: handler for number, handler in handlers.items() if callable(handler)}
        for number in self.before:
            signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.pending is not None:
            if ranks.count() == 1 or time.monotonic() > self.since + ONE_STOP:
                self.obey()
            return
        handler = self.before[number]
        self.pending = lambda: handler(number, frame)
        self.number, self.since = number, time.monotonic()
        if hasattr(signal, "setitimer"):
            self.before.setdefault(signal.SIGALRM, signal.signal(signal.SIGALRM, lambda *_: self.obey()))
            signal.setitimer(signal.ITIMER_REAL, GRACE)

    def obey_all(self, number: int) -> None:
        """Do what a signal would have done that this process or another of those that train together held back; 0: none."""
        if number and self.pending is None:
            handler = self.before.get(number, signal.default_int_handler)
            self.pending = lambda: handler(number, None)
        self.obey()

    def obey(self) -> None:
        """Do what a signal that was held back would have done; nothing where there was none."""
        pending, self.pending, self.number = self.pending, None, 0
        if pending is not None:
            self.release()
            pending()

    def release(self) -> None:
        """Hold nothing back any more."""
        if self.before and hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self.before.items():
            signal.signal(number, handler)
        self.before = {}
