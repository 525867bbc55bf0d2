"""Files that are whole or absent, hashes of content, and where the cache lies."""

import csv
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from ajuste_fino.errors import UserError
from ajuste_fino.places import FULL, SET_CACHE, user_path


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


def write_text(path: Path, text: str) -> None:
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: object) -> None:
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A CSV in UTF-8 whose texts no spreadsheet runs as a formula: those that would start one get a leading apostrophe."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows(_safe(row) for row in [header, *rows])
    write_text(path, buffer.getvalue())


@contextmanager
def growing_csv(path: Path, header: Sequence[str]) -> Iterator[Callable[[Sequence[object]], None]]:
    """A function that writes a row, as `write_csv` does, to `path.part`, which takes the name of `path` at a good end.

    After a failure or a stop `path.part` has the rows so far, each of them whole, if there were any; an older `path` is as it
    was.
    """
    part, rows = path.with_name(f"{path.name}.part"), 0
    try:
        with part.open("w", encoding="utf-8", newline="", buffering=1) as file:  # a row is on disk when it is known
            writer = csv.writer(file)
            writer.writerow(_safe(header))

            def write(row: Sequence[object]) -> None:
                nonlocal rows
                try:
                    writer.writerow(_safe(row))
                except OSError as error:
                    error.filename = str(part)  # a full disk names no file
                    raise
                rows += 1

            yield write
            file.flush()
            os.fsync(file.fileno())
    except BaseException as error:
        if isinstance(error, OSError) and error.errno in FULL:
            error.filename = error.filename or str(part)
        if rows:
            error.add_note(f"{part} has the rows so far.")
        else:
            part.unlink(missing_ok=True)
        raise
    part.replace(path)


def _safe(row: Sequence[object]) -> list[object]:
    return [f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell for cell in row]


def read_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV by column name, with the apostrophes of `write_csv` taken off again."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, restkey="", restval=""))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(str(path), f"cannot be read as a CSV in UTF-8 ({error})", fix="Save it as CSV in UTF-8.") from error
    return [{key: _plain(cell) for key, cell in row.items() if isinstance(cell, str)} for row in rows]


def _plain(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA) else cell


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


def expanded(value: str | os.PathLike[str]) -> Path:
    """A path with its `~` replaced; that of a user who is not known stays."""
    try:
        return Path(value).expanduser()
    except RuntimeError:
        return Path(value)


def existing(key: str, value: str | os.PathLike[str]) -> Path:
    """The absolute path a key gives, which must exist."""
    path = expanded(value).absolute()
    if not path.exists():
        near = path.parent
        while not near.exists() and near != near.parent:
            near = near.parent
        raise UserError(key, "must be an existing path", got=value, fix=f"The part of it that exists is {near}.")
    return path
