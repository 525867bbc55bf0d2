"""Progress and messages on the screen, and the log file."""

import logging
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ajuste_fino.console import console
from ajuste_fino.errors import Range

WORKERS = Range(int, 0, 64, optional=True)
MOST_WORKERS = 8  # each holds some batches in memory, and few backbones are faster than eight
log = logging.getLogger("ajuste_fino")


def progress(items: Iterable, total: int, what: str) -> Iterator:
    """Shows how far it is and how long it still takes; Ctrl-C stops it."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("left"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        yield from bars.track(items, total=total, description=what)


def start_log(path: Path | None = None) -> None:
    """Messages go to the screen and, where a path is given, from now on into a run's `log.txt`; an earlier one is closed."""
    log.setLevel(logging.INFO)
    log.propagate = False
    for handler in log.handlers[:]:
        log.removeHandler(handler)
        handler.close()
    log.addHandler(_Screen())
    if path:
        file = logging.FileHandler(path, encoding="utf-8")
        file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        log.addHandler(file)


class _Screen(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        style = "yellow" if record.levelno >= logging.WARNING else None
        console.print(record.getMessage(), style=style, markup=False)


def workers(wanted: int | None) -> int:
    """Decoding processes: as asked, else one for each core this process may use, up to eight."""
    if wanted is not None:
        return wanted
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return min(cores, MOST_WORKERS)
