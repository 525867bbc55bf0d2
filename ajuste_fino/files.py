"""Files that are whole or absent, hashes of content, and where the cache lies."""

import csv
import hashlib
import io
import json
import os
import secrets
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from ajuste_fino.errors import UserError
from ajuste_fino.escape import from_cell, to_cell
from ajuste_fino.places import FULL, SET_CACHE, require_path, user_path


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`; when the block ends well it is flushed to disk and takes the name of `path`.

    It lies in the same folder because a rename is atomic only within one file system. After a failure the old file is
    as it was and the temporary one is gone.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        error.filename = str(path)  # a full disk names no file, or the temporary one
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Write a file that is whole or absent, as `atomic` does.

    Where the system can (Linux, on most file systems), the file has no name until it is whole, so that a kill while it is
    written leaves nothing behind. Where it takes the place of an older file, it has for a moment another name, of which a
    kill just then leaves a whole copy, `.NAME.….tmp`.
    """
    try:
        if not _write_nameless(path, content):
            with atomic(path) as temporary:
                temporary.write_bytes(content)
    except OSError as error:
        error.filename = str(path)
        if error.errno in FULL:
            error.strerror = f"{error.strerror} ({len(content):,} bytes needed)"
        raise


def _write_nameless(path: Path, content: bytes | memoryview) -> bool:
    """Write to a file without a name, and give it one; False where the system has no such files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path.parent, os.O_WRONLY | os.O_TMPFILE, 0o666)
    except (AttributeError, OSError):  # another way of writing may do, or says better what is wrong
        return False
    with os.fdopen(handle, "wb", buffering=0) as file:
        rest = memoryview(content)
        while rest:
            rest = rest[file.write(rest) :]
        os.fsync(handle)
        return _link(handle, path)


def _link(handle: int, path: Path) -> bool:
    """Give an open file the name of `path`, in the place of what has it; False where the system cannot.

    A link replaces nothing, so where the name is taken the file gets another, and is then renamed; a kill between the two
    leaves that other name.
    """
    name = path if not path.exists() else path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        # what /proc has is a link to the file; given folders, Python calls linkat with AT_SYMLINK_FOLLOW, which links the file
        # itself; without them it calls link, which would link that link
        os.link(f"/proc/self/fd/{handle}", name.name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:  # no /proc, or another process has just taken the name
        return False
    finally:
        os.close(folder)
    if name != path:
        try:
            name.replace(path)
        finally:
            name.unlink(missing_ok=True)
    return True


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode())


def write_json(path: Path, value: object) -> None:
    """JSON in UTF-8; bytes of names that are no Unicode are JSON's own codes, `\\udcf1`, and come back as they were."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    write_text(path, text.encode("utf-8", "backslashreplace").decode() + "\n")


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A CSV in UTF-8 whose texts no spreadsheet runs as a formula; `read_csv` gives them back as they were."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows(_safe(row) for row in [header, *rows])
    write_text(path, buffer.getvalue())


def _safe(row: Sequence[object]) -> list[object]:
    return [to_cell(cell) if isinstance(cell, str) else cell for cell in row]


def read_csv(path: Path, content: bytes | None = None) -> list[dict[str, str]]:
    """The rows of a CSV that `write_csv` or `growing.growing_csv` wrote, by column name, their texts as they were.

    `tables.read_table` is for those of a user.

    Args:
        content: what the file holds, where that was read already.
    """
    try:
        text = (path.read_bytes() if content is None else content).decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text, newline=""), restkey="", restval=""))
    except OSError as error:
        fix = "Check that it is there, and its permissions."
        raise UserError(str(path), f"cannot be read ({error.strerror})", fix=fix) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(str(path), f"cannot be read as a CSV in UTF-8 ({error})", fix="Save it as CSV in UTF-8.") from error
    return [{from_cell(key): from_cell(cell) for key, cell in row.items() if isinstance(cell, str)} for row in rows]


def beginning(path: Path, most: int = 2**16) -> str:
    """The first bytes of a text, with plain line ends; "" where there is no such file, or only a pipe, which would wait."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return file.read(most).decode("utf-8-sig", "replace").replace("\r\n", "\n")


def sha256(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(value: Mapping[str, object]) -> str:
    """The SHA-256 of a JSON-like mapping, the same whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def writable(key: str, value: str | os.PathLike[str]) -> Path:
    """The absolute path a key gives to a file that may be written: its folder is there, and nothing else has its name.

    Raises:
        UserError: where it cannot be written.
    """
    path = user_path(key, value).absolute()
    part = path.with_name(f"{path.name}.part") if path.name else path
    try:
        is_other = any(one.exists() and not one.is_file() for one in (path, part))
    except OSError as error:
        raise UserError(key, f"must be the name of a file ({error.strerror})", got=value, fix="Pass another.") from error
    if is_other:
        raise UserError(key, "must be the name of a file", got=value or "an empty text", fix="Pass one, such as table.csv.")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        fix = f"Make the folder {path.parent}, or pass another." if not path.parent.exists() else "Pass another."
        raise UserError(key, "must be a file in a folder that can be written to", got=value, fix=fix) from error
    return path


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/ajuste_fino`, or `~/.cache/ajuste_fino` where that is not set or, as its standard says, not absolute."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    try:
        return (Path(root) if Path(root).is_absolute() else Path.home() / ".cache") / "ajuste_fino"
    except RuntimeError as error:  # no HOME, and no entry for this user
        raise UserError("The cache folder", "needs a home folder, and there is none", fix=SET_CACHE) from error


def in_cache(pattern: str) -> list[Path]:
    """The paths in the cache of that pattern; none where there is no cache, or it cannot be read."""
    try:
        return sorted(cache_folder().glob(pattern))
    except (UserError, OSError):  # whoever writes there is told
        return []


def writable_cache() -> Path:
    """`cache_folder()`, made if need be.

    Raises:
        UserError: where nothing can be written there.
    """
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise UserError("The cache folder", f"cannot be written ({error.strerror})", got=folder, fix=SET_CACHE) from error


def no_pipe(key: str, path: Path) -> Path:
    """The path, where it is a file or a folder: to read a pipe that nobody writes to would take for ever.

    Raises:
        UserError: where it is a pipe or a device.
    """
    if not (path.is_file() or path.is_dir()):
        fix = "It is a pipe or a device; write its content into a file, and pass that."
        raise UserError(key, "must be a file or a folder", got=path, fix=fix)
    return path


def expanded(value: str | os.PathLike[str]) -> Path:
    """A path with its `~` replaced; that of a user who is not known stays."""
    try:
        return Path(value).expanduser()
    except RuntimeError:
        return Path(value)


def existing(key: str, value: str | os.PathLike[str]) -> Path:
    """The absolute path a key gives, which must exist; an empty text is none, as an unset variable of the shell leaves it."""
    require_path(key, value)
    if not str(value):
        fix = "Pass a path; . is the folder this is run in."
        raise UserError(key, "must name a file or a folder", got="an empty text", fix=fix)
    path = expanded(value).absolute()
    if not _exists(path, key):
        near = path.parent
        while not _exists(near, key) and near != near.parent:
            near = near.parent
        raise UserError(key, "must be an existing path", got=value, fix=f"The part of it that exists is {near}.")
    return path


def _exists(path: Path, key: str) -> bool:
    try:
        return path.exists()
    except OSError as error:  # one may not look into a folder on the way, or the name is too long
        fix = "Check the path, and the permissions of its folders."
        raise UserError(key, f"must be a path that can be reached ({error.strerror})", got=path, fix=fix) from error
