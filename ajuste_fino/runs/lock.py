"""One process at a time in a run folder: a lock that the system takes back when its process ends, however it ends."""

import os
import shlex
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ajuste_fino.console import log
from ajuste_fino.errors import UserError

try:
    import fcntl
except ImportError:  # Windows, which has no such locks
    fcntl = None  # type: ignore[assignment]

_handles: set[int] = set()
_mine = threading.local()  # runs in other threads of an application have their own


def _close_inherited() -> None:
    """A process forked from this one, such as one that decodes, would keep the lock for a while after a kill of this one."""
    for handle in _handles:
        os.close(handle)
    _handles.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_inherited)


@contextmanager
def own_folder() -> Iterator[None]:
    """The folder that is locked inside is free again afterwards; who is stopped inside is told how to go on in it."""
    before, _mine.locked = getattr(_mine, "locked", None), {}
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as stop:
        for folder in _mine.locked:
            stop.add_note(f"Go on: ajuste-fino train {shlex.quote(f'resume={folder}')}")
        raise
    finally:
        for handle in filter(None, _mine.locked.values()):
            _handles.discard(handle)
            os.close(handle)
        _mine.locked = before


def lock(folder: Path) -> None:
    """Let no other process train in a folder until the end of `own_folder`; one that is locked already stays so.

    Raises:
        UserError: where another is at work there.
    """
    if folder in _mine.locked:
        return
    _mine.locked[folder] = None
    if fcntl is None:
        return
    handle = os.open(folder, os.O_RDONLY)  # itself: its files are replaced, and a lock stays with the file that it was for
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        del _mine.locked[folder]
        rule = "is in use: another process trains in that folder"
        raise UserError(str(folder), rule, fix="Wait for its end, or stop it; then pass resume= again.") from error
    except OSError as error:  # some network file systems
        log.warning(f"{folder} cannot be locked ({error.strerror}): let no other process train in it meanwhile.")
    _handles.add(handle)
    _mine.locked[folder] = handle
