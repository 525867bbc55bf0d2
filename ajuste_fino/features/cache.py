"""Show and shrink the cache of features."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ajuste_fino.files import cache_folder
from ajuste_fino.store import ABOUT, FeatureStore, is_shard, open_shard

FOLDER = "features"
HOUR = 3600  # s; no write takes so long, so an older temporary file is left over


@dataclass(frozen=True)
class CachedSpace:
    """The features of one backbone, cut, preprocessing and precision: what they are, and the files they are in.

    `written` is when the newest file was, in seconds since 1970; `shape` is that of a row.
    """

    folder: Path
    about: dict[str, Any]
    files: int
    rows: int
    shape: tuple[int, ...]
    bytes: int
    written: float


def spaces() -> list[CachedSpace]:
    """Return all that hold anything, the newest first."""
    return sorted(_spaces(), key=lambda space: -space.written)


def _spaces() -> Iterator[CachedSpace]:
    for folder in (cache_folder() / FOLDER).glob("*"):
        paths = [path for path in folder.glob("*.npy") if _readable(path)]
        if paths:
            stats = [path.stat() for path in paths]
            yield CachedSpace(
                folder,
                _about(folder / ABOUT),
                len(paths),
                sum(len(open_shard(path)) for path in paths),
                open_shard(paths[0]).dtype["row"].shape,
                sum(stat.st_size for stat in stats),
                max(stat.st_mtime for stat in stats),
            )


def _about(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    return found if isinstance(found, dict) else {}  # it is for people only


def _readable(path: Path) -> bool:
    """Whether a file is a shard by its header and its length; to hash all of them would take long."""
    try:
        return path.is_file() and open_shard(path).dtype.names == ("key", "row")
    except (ValueError, EOFError):
        return False


def prune(limit: float) -> list[Path]:
    """Remove damaged shards and left-over temporary files, then the oldest shards until at most `limit` bytes are left.

    Returns:
        What was removed.
    """
    folder = cache_folder() / FOLDER
    removed = [path for path in folder.glob("*/.*.tmp") if path.stat().st_mtime < time.time() - HOUR]
    shards = [path for path in folder.glob("*/*.npy") if path.is_file()]
    removed += [path for path in shards if not is_shard(path)]
    whole = sorted(set(shards) - set(removed), key=lambda path: (path.stat().st_mtime, path))
    total = sum(path.stat().st_size for path in whole)
    for path in whole:
        if total <= limit:
            break
        total -= path.stat().st_size
        removed.append(path)
    for path in removed:
        path.unlink(missing_ok=True)
    return removed


def compact() -> int:
    """Join small shards; return by how many the number of files fell."""
    before = sum(space.files for space in spaces())
    for space in spaces():
        if store := FeatureStore.existing(space.folder):
            store.compact()
    return before - sum(space.files for space in spaces())
