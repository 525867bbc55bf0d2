"""Progress and messages on the screen, and the log file."""

import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from ajuste_fino.console import EVERY, console, has_bars, log, meanwhile, seconds_left
from ajuste_fino.errors import Range
from ajuste_fino.escape import lines

WORKERS = Range(int, 0, 64, optional=True)
MOST_WORKERS = 8  # each holds some batches in memory, and few backbones are faster than eight
HEARTBEAT = 10.0  # seconds


def progress(items: Iterable, total: int, what: str) -> Iterator:
    """Show how far it is and how long it still takes: a bar on a terminal, else a line every few seconds. Ctrl-C stops it."""
    if not has_bars():
        yield from _lines(items, total, what)
        return
    columns = (TextColumn("{task.description}"), BarColumn(20), TaskProgressColumn(), TimeRemainingColumn(), TextColumn("left"))
    with Progress(*columns, console=console, transient=True) as bars:
        yield from bars.track(items, total=total, description=what)


def _lines(items: Iterable, total: int, what: str) -> Iterator:
    begun = said = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - said >= EVERY and done < total:
            said = now
            log.debug(f"{what}: {done / total:.0%}, {seconds_left(done, total, now - begun)} left")


@contextmanager
def run_log() -> Iterator[None]:
    """What is said inside belongs to one run: it is shown, and in the run's `log.txt` from the first message on."""
    if not log.handlers:
        start_log()
    try:
        yield
    finally:
        start_log()  # closes the file, whatever happened


@contextmanager
def still_working(what: str) -> Iterator[None]:
    """Say every ten seconds that work without steps goes on."""
    begun = time.monotonic()
    with meanwhile(lambda: log.info(f"{what}: still at work after {time.monotonic() - begun:.0f} s …"), HEARTBEAT):
        yield


def start_log(path: Path | None = None) -> None:
    """Show messages on the screen; with a path, write a run's `log.txt`, too, with all that was said since it began.

    Without a path a new log begins, and the file of an earlier one is closed.
    """
    said = [record for handler in log.handlers if isinstance(handler, _Waiting) for record in handler.records]
    log.setLevel(logging.DEBUG)
    log.propagate = False
    for handler in log.handlers[:]:
        log.removeHandler(handler)
        handler.close()
    log.addHandler(_Screen(logging.INFO if has_bars() else logging.DEBUG))
    log.addHandler(_file(path, said) if path else _Waiting())


def _file(path: Path, said: Iterable[logging.LogRecord]) -> logging.Handler:
    file = _LogFile(path, encoding="utf-8", errors="backslashreplace")
    file.setFormatter(_Lines("%(asctime)s %(levelname)s %(message)s"))
    for record in said:
        file.handle(record)
    return file


class _Lines(logging.Formatter):
    """Our own line breaks stay; whatever else a name brings along is shown as codes."""

    def format(self, record: logging.LogRecord) -> str:
        return lines(super().format(record))


class _LogFile(logging.FileHandler):
    """A log that cannot be written stops the run, as any of its files does, in one message."""

    def handleError(self, record: logging.LogRecord) -> None:
        error = sys.exception()
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        error.filename = error.filename or self.baseFilename
        raise error

    def close(self) -> None:
        with suppress(OSError):  # a full disk, which was told when it was written to
            super().close()


class _Waiting(logging.Handler):
    """Keeps what is said before the run has a folder."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


class _Screen(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        style = "yellow" if record.levelno >= logging.WARNING else None
        console.print(lines(record.getMessage()), style=style)


def workers(wanted: int | None) -> int:
    """Decoding processes: as asked, else one for each core this process may use, up to eight."""
    if wanted is not None:
        return wanted
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return min(cores, MOST_WORKERS)
