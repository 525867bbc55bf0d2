"""Places that a run writes to: whether they can be, how much is free, and what to say of a disk that is full."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ajuste_fino.errors import UserError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
DEEPEST = Path("checkpoints") / ".best.ckpt.abcdefgh.tmp"  # of the longest path that a run writes
SET_CACHE = "Set XDG_CACHE_HOME to the full path of a folder that can be written."


@contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """An error inside that names no file, as that of a full disk, names this one."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def require_path(key: str, value: object) -> None:
    """Refuse null where a path is wanted.

    Raises:
        UserError: for null.
    """
    if value is None:
        raise UserError(key, "must be a path", got="null", fix=f"Pass one, such as {key}=photos, or leave it out.")


def user_path(key: str, value: str | os.PathLike[str]) -> Path:
    """The path that a key gives, with its `~` replaced.

    Raises:
        UserError: for null, or where nobody knows the home folder that it means.
    """
    require_path(key, value)
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        rule = "must not begin with a home folder that is unknown"
        raise UserError(key, rule, got=value, fix=f"Pass {key}= with the full path.") from error


def require_writable(key: str, folder: Path) -> None:
    """Refuse a folder, which need not exist, in which nothing can be written, by writing something beside it.

    Raises:
        UserError: where that is so.
    """
    fix = f"Pass {key}=FOLDER for another place."
    try:
        (folder / DEEPEST).exists()  # a name may be too long
        there = next(one for one in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(one))
        if there.is_symlink() and not there.exists():
            raise UserError(key, "must not be a link to nowhere", got=there, fix=fix)
        with tempfile.TemporaryDirectory(dir=there):
            return
    except OSError as error:
        rule = f"must be in a folder that can be written ({error.strerror})"
        raise UserError(key, rule, got=folder, fix=fix) from error


def require_space(folder: Path, needed: int, what: str, fix: str) -> None:
    """Refuse to begin what would fill the disk.

    Args:
        needed: bytes.
        what: that need them.

    Raises:
        UserError: where fewer are free.
    """
    free = free_bytes(folder)
    if free is not None and free < needed:
        rule = f"has too little space for {what}: {size(needed)} are needed, {size(free)} are free"
        raise UserError("The disk", rule, got=folder, fix=fix)


def free_bytes(folder: Path) -> int | None:
    """How much may still be written to a folder, or beside it where it is not there; None: the system does not say."""
    try:
        there = next(one for one in (folder.absolute(), *folder.absolute().parents) if one.exists())
        return shutil.disk_usage(there).free
    except OSError:
        return None


def told(error: OSError) -> str:
    """The message of an error of the system; of a full disk also what is free, and the way out."""
    message = f"{error.filename or 'A file'}: {error.strerror or error}"
    if error.errno not in FULL or not error.filename:
        return message
    free = free_bytes(Path(str(error.filename)).parent)
    left = "" if free is None else f", {size(free)} are free on the disk"
    return f"{message}{left}. Make room, or choose another place with out= (for features, with XDG_CACHE_HOME)."


def size(number: int) -> str:
    """`12 KiB`, `3.4 GiB`."""
    for unit, scale in (("GiB", 2**30), ("MiB", 2**20)):
        if number >= scale:
            return f"{number / scale:.1f} {unit}"
    return f"{-(-number // 1024)} KiB"
