"""The files that `extract` writes: features as Parquet, and about.json with all that decided them."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ajuste_fino.errors import UserError
from ajuste_fino.parquet import require_pyarrow
from ajuste_fino.storage import Storage

ABOUT, FORMAT = "about.json", 1
FILES, PARTS = "features-", "parts/"
GROUP_BYTES = 8 * 2**20  # of features in a group of rows, which is read at once
GROUPS = 16  # in a file
MOST_ROWS = 8192  # of a group
TEXTS = ("key", "file", "label", "split")
FIX = "Pass the folder or URL that extract has written to its end."


def group_rows(width: int) -> int:
    """How many rows of so many numbers a group has: a power of two, so that groups have 4 to 8 MiB where it may be."""
    return min(2 ** max((GROUP_BYTES // (4 * width)).bit_length() - 1, 0), MOST_ROWS)


def encoded(columns: Mapping[str, Sequence[str]], features: np.ndarray, rows: int) -> memoryview:
    """A Parquet file of text columns and `feature`, (N, D) float32: the same bytes for the same values and the same pyarrow.

    Args:
        rows: of a group.
    """
    import pyarrow as pa
    from pyarrow import parquet

    element = pa.field("element", pa.float32(), nullable=False)
    kind = pa.list_(element, features.shape[1])
    fields = [pa.field(name, pa.string(), nullable=False) for name in columns]
    schema = pa.schema([*fields, pa.field("feature", kind, nullable=False)])
    lists = pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(features, "<f4").ravel()), type=kind)
    table = pa.Table.from_arrays([*(pa.array(one, pa.string()) for one in columns.values()), lists], schema=schema)
    buffer = io.BytesIO()
    parquet.write_table(
        table,
        buffer,
        row_group_size=rows,
        compression={name: "none" if name == "key" else "zstd" for name in columns} | {"feature.list.element": "none"},
        use_dictionary=[name for name in columns if name in ("label", "split")],
        write_statistics=["key"],  # by which groups are found
        write_page_checksum=True,
        version="2.6",
    )
    return buffer.getbuffer()


def features_in(table: Any, width: int) -> np.ndarray:
    """(N, D) float32 of a table that was read."""
    column = table.column("feature").combine_chunks()
    chunks = column.chunks if hasattr(column, "chunks") else [column]
    return np.concatenate([chunk.flatten().to_numpy(zero_copy_only=False).reshape(-1, width) for chunk in chunks])


def key_range(file: Any, group: int) -> tuple[str, str]:
    """The first and the last key of a group of rows, which are sorted by it."""
    found = file.metadata.row_group(group).column(0).statistics
    return str(found.min), str(found.max)


@dataclass(frozen=True)
class Extracted:
    """Features that `extract` has written to their end: where they are, and what `about.json` says."""

    storage: Storage
    about: dict[str, Any]

    @classmethod
    def read(cls, key: str, where: str) -> "Extracted":
        """Read `about.json`.

        Raises:
            UserError: where there is none, or one of another format.
        """
        storage = Storage(key, where)
        content = storage.read(ABOUT)
        if content is None:
            unfinished = bool(storage.names(PARTS))
            fix = f"Go on: ajuste-fino extract out={where}, with the keys that it began with." if unfinished else FIX
            got = f"{where}, where it has not ended" if unfinished else where
            raise UserError(key, "must hold the features that extract wrote", got=got, fix=fix)
        try:
            about = json.loads(content)
            if about["format"] != FORMAT:
                raise UserError(key, f"must have format {FORMAT}", got=about["format"], fix="Update ajuste_fino.")
            _ = [about[name] for name in ("config", "files", "identity", "rows", "shape", "statistics")]
        except (ValueError, LookupError, TypeError) as error:
            raise UserError(key, f"has an {ABOUT} that cannot be read", got=where, fix=FIX) from error
        require_pyarrow(key, "")
        return cls(storage, about)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.about["shape"])

    @property
    def width(self) -> int:
        """How many numbers a feature has."""
        return prod(self.shape)
