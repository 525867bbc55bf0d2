"""The terminal, for messages and progress alike: what is written to it by one does not tear the other."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console


def screen(**options: Any) -> Console:
    """A terminal for what is asked for, on standard output: a name such as `[red]` or `:cat:` is shown, not understood."""
    return Console(highlight=False, markup=False, emoji=False, **options)


console = screen(stderr=True, soft_wrap=True)
log = logging.getLogger("ajuste_fino")  # info and above are for everybody; debug is progress, for `log.txt` and for pipes


EVERY = 5.0  # seconds between two lines of progress where there is no bar


def has_bars() -> bool:
    """Whether progress is shown as a bar: on a terminal that can move its cursor; else as lines."""
    return console.is_terminal and not console.is_dumb_terminal


def seconds_left(done: int, total: int, seconds: float) -> str:
    """How long the rest takes when it goes on as before: `45 s`, `3 min 20 s`, `2 h 10 min`."""
    left = round(seconds * (total - done) / max(done, 1))
    if left < 60:
        return f"{left} s"
    return f"{left // 60} min {left % 60} s" if left < 3600 else f"{left // 3600} h {left % 3600 // 60} min"


@contextmanager
def note_if_stopped(note: str | None) -> Iterator[None]:
    """Tell a user who stops the work inside what becomes of what was done."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as stop:
        if note:
            stop.add_note(note)
        raise


@contextmanager
def meanwhile(work: Callable[[], object], seconds: float) -> Iterator[None]:
    """Do something every so often, in a thread of its own, while the block lasts."""
    done = threading.Event()

    def repeat() -> None:
        while not done.wait(seconds):
            work()

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
