"""From what a user gives, a kind and a path or an address, to the root that images are read from."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ajuste_fino.data.names import split_of
from ajuste_fino.data.sources.kinds import KINDS, kind_of_file
from ajuste_fino.data.sources.parquet import Parquet
from ajuste_fino.data.sources.shards import is_pattern
from ajuste_fino.data.sources.source import Root
from ajuste_fino.data.sources.storage import Place, is_file, listed, reaching
from ajuste_fino.data.sources.stored_folder import StoredFolder
from ajuste_fino.data.sources.webdataset import WebDataset
from ajuste_fino.errors import UserError, nearest
from ajuste_fino.files import existing, expanded, no_pipe
from ajuste_fino.parquet import require_pyarrow
from ajuste_fino.url import Url, address, is_address

KEY = "data.root"


def open_root(value: str | Path, kind: str | None, keys: Mapping[str, Any]) -> Root:
    """The root of images.

    Args:
        value: `data.root`, a path or an address.
        kind: folder, parquet or webdataset; None: as what is there tells.
        keys: those of `data.*`, of which `image_column` and `label_column` are for Parquet.

    Raises:
        UserError: where there is no such place, or it cannot be reached.
    """
    if kind not in (None, *KINDS):
        raise UserError("data.name", f"must be one of {', '.join(KINDS)}", got=kind, fix=nearest(str(kind), list(KINDS)))
    place = _place(value, kind)
    kind = kind or kind_of(place)
    if isinstance(place, Url) and not is_pattern(place):
        is_file(place)  # refuses one that is not there
    if kind == "parquet":
        require_pyarrow("data=parquet", "")
        return Parquet(place, keys.get("image_column"), keys.get("label_column"))
    if kind == "webdataset":
        return WebDataset(place)
    if isinstance(place, Path):
        return no_pipe(KEY, existing(KEY, place))
    return StoredFolder(place)


def _place(value: str | Path, kind: str | None) -> Place:
    if is_address(value):
        url = address(KEY, str(value))
        if url.text.startswith("file://"):
            return Path(url.text.removeprefix("file://"))
        return url
    path = expanded(value).absolute()
    return path if kind != "folder" and is_pattern(path) else existing(KEY, value)


def kind_of(place: Place) -> str:
    """The kind of a place by what is there: a Parquet file, a tar shard, or a folder of such at its top or in one `data`.

    Raises:
        UserError: where it cannot be reached.
    """
    if is_pattern(place) or is_file(place):
        return kind_of_file(str(place)) or "folder"
    files = _top(place)
    return next((kind for name in files if (kind := kind_of_file(name))), "folder")


def _top(place: Place) -> list[str]:
    """The files just below a folder, and below those of its folders that are called as a split or `data`."""
    names: list[str] = []
    with reaching(place):
        for name, folder in _entries(place, ""):
            if not folder:
                names.append(name)
            elif name == "data" or split_of(name):
                names += [inner for inner, is_folder in _entries(place, name) if not is_folder]
    return names


def _entries(place: Place, below: str) -> list[tuple[str, bool]]:
    if isinstance(place, Url):
        return [(one.name, one.folder) for one in listed(place, below, deep=False)]
    with os.scandir(place / below) as found:
        return [(one.name, one.is_dir()) for one in found]
