"""The terminal, for messages and progress alike: what is written to it by one does not tear the other."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

console = Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def note_if_stopped(note: str | None) -> Iterator[None]:
    """Tell a user who stops the work inside what becomes of what was done."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as stop:
        if note:
            stop.add_note(note)
        raise
