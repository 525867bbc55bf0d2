"""Show and shrink the cache of features."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ajuste_fino.files import cache_folder, sha256
from ajuste_fino.store import ABOUT, FeatureStore, open_shard

FOLDER = "features"


@dataclass(frozen=True)
class CachedSpace:
    """The features of one backbone, cut, preprocessing and precision: a folder of shards, and what is known of them."""

    folder: Path
    about: dict[str, Any]
    shards: list[Path]

    @property
    def bytes(self) -> int:
        return sum(path.stat().st_size for path in self.shards)

    @property
    def rows(self) -> int:
        return sum(len(open_shard(path)) for path in self.shards)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a row."""
        return open_shard(self.shards[0]).dtype["row"].shape

    @property
    def written(self) -> float:
        """When the newest shard was written, in seconds since 1970."""
        return max(path.stat().st_mtime for path in self.shards)


def spaces() -> list[CachedSpace]:
    """All that hold anything, the newest first."""
    return sorted(_spaces(), key=lambda space: -space.written)


def _spaces() -> Iterator[CachedSpace]:
    for folder in (cache_folder() / FOLDER).glob("*"):
        if shards := sorted(folder.glob("*.npy")):
            about = folder / ABOUT
            yield CachedSpace(folder, json.loads(about.read_text(encoding="utf-8")) if about.is_file() else {}, shards)


def prune(limit: float) -> list[Path]:
    """Remove damaged shards and left-over temporary files, then the oldest shards until at most `limit` bytes are left.

    Returns:
        What was removed.
    """
    folder = cache_folder() / FOLDER
    removed = [*folder.glob("*/.*.tmp"), *(path for path in folder.glob("*/*.npy") if sha256(path) != path.stem)]
    whole = sorted(set(folder.glob("*/*.npy")) - set(removed), key=lambda path: path.stat().st_mtime)
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
    before = sum(len(space.shards) for space in spaces())
    for space in spaces():
        FeatureStore.existing(space.folder).compact()
    return before - sum(len(space.shards) for space in spaces())
