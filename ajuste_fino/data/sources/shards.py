"""The files that a data set of several consists of: which they are, and which split each is of by its name or its folder."""

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ajuste_fino.data.names import SPLIT_NAMES, split_in_words
from ajuste_fino.data.scan_result import ScanResult
from ajuste_fino.data.sources.source import ahead
from ajuste_fino.data.sources.storage import Place, files_below, is_file
from ajuste_fino.errors import UserError, counted, preview
from ajuste_fino.url import Url

BRACES = re.compile(r"\{([^{}]+)\}")
RANGE = re.compile(r"(\d+)\.\.(\d+)")


class Shard(NamedTuple):
    """A file, its name relative to the root, and its split; "" where neither its name nor its folder says one."""

    place: Place
    name: str
    split: str


def shards(place: Place, suffixes: Sequence[str], what: str) -> list[Shard]:
    """The files of a place, which may be one file, a folder, or a pattern with braces, in the order in which people count.

    Args:
        what: they are, in the plural.

    Raises:
        UserError: where there are none.
    """
    if is_pattern(place):
        base, names = expanded(place)
        _require_all(base, names)
        return [Shard(base / name, name, split_of_file(name)) for name in names]
    files = files_below(place)
    found = [one.name for one in files if one.name.lower().endswith(tuple(suffixes))]
    if not found:
        such = f"{counted(len(files), 'other file')}, such as {files[0].name}" if files else "no files"
        rule = f"must be or hold {what} ({', '.join(suffixes)})"
        raise UserError("data.root", rule, got=place, fix=f"It holds {such}. For a folder of images pass data=folder.")
    one = len(files) == 1 and files[0].name == place.name and is_file(place)
    return [Shard(place if one else place / name, name, split_of_file(name)) for name in found]


def is_pattern(place: Place) -> bool:
    """Whether a place is a pattern with braces, `shards-{000..009}.tar`, and no file has it for its name."""
    return bool(BRACES.search(str(place))) and not (isinstance(place, Path) and place.exists())


def expanded(place: Place) -> tuple[Place, list[str]]:
    """The folder before the first braces of a pattern, and all names below it that the pattern stands for."""
    before, _, _ = str(place).partition("{")
    base, _, _ = before.rpartition("/")
    parts = re.split(r"(\{[^{}]+\})", str(place)[len(base) + 1 :])
    ways = [_ways(part) for part in parts]
    return (Url(base) if isinstance(place, Url) else Path(base or "/")), ["".join(one) for one in itertools.product(*ways)]


def _ways(part: str) -> list[str]:
    found = BRACES.fullmatch(part)
    if not found:
        return [part]
    if not (numbers := RANGE.fullmatch(found[1])):
        return found[1].split(",")
    first, last = numbers[1], numbers[2]
    step = 1 if int(first) <= int(last) else -1
    return [str(number).zfill(len(first)) for number in range(int(first), int(last) + step, step)]


def _require_all(base: Place, names: Sequence[str]) -> None:
    missing = [name for name, there in zip(names, ahead(lambda name: _is_there(base / name), names), strict=True) if not there]
    if missing:
        rule = f"names {counted(len(names), 'file')} of which {len(missing)} are not there"
        raise UserError("data.root", rule, got=base, fix=f"Correct the numbers in braces. Missing:\n{preview(missing)}")


def _is_there(place: Place) -> bool:
    if isinstance(place, Path):
        return place.is_file()
    try:
        return is_file(place)
    except UserError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return False
        raise


def split_of_file(name: str) -> str:
    """The split of `train-00000-of-00002.parquet`, of `data/test/0000.parquet`; the name says it before the folders do."""
    return next(filter(None, map(split_in_words, _parts(name))), "")


def _parts(name: str) -> Iterator[str]:
    """The name of a file without its ending, then those of its folders from the inside out."""
    *folders, file = name.split("/")
    return iter([file.partition(".")[0], *reversed(folders)])


def note_splits(files: Sequence[Shard], found: ScanResult) -> None:
    """Note which files were taken for splits where that is not plain, and which have none beside others that have one."""
    found.split_folders += [f"{one.name} → {one.split}" for one in files if one.split and not _is_plain(one.name)]
    if any(one.split for one in files):
        found.unsplit += [one.name for one in files if not one.split]


def _is_plain(name: str) -> bool:
    """Whether the first word that says the split is one of a few: `train-…` and `validation/…`, but not `birds_dev_1`."""
    said = next(part for part in _parts(name) if split_in_words(part))
    return re.split(r"[\W_]", said.lower())[0] in SPLIT_NAMES


def grouped_by_file(names: Sequence[str], parted: Callable[[str], tuple[str, str]]) -> dict[str, list[tuple[str, str]]]:
    """Names of images by the file that they are in: the whole name, and that inside of the file.

    Args:
        parted: the file and the name inside of it, of a name.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    for name in names:
        file, inside = parted(name)
        found.setdefault(file, []).append((name, inside))
    return found
