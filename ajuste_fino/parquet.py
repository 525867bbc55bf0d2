"""A Parquet file that grows in groups of rows, and has its name when it is whole."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from ajuste_fino.errors import UserError
from ajuste_fino.growing import Record, whole

CELLS = 2**18  # of a group of rows, which is in memory until it is written
KINDS: dict[type, str] = {str: "string", float: "float64", bool: "bool_"}


def require_pyarrow(key: str, otherwise: str = " Or pass csv=FILE or jsonl=FILE.") -> None:
    """Refuse to start what needs the library, if it is not installed.

    Args:
        otherwise: what else to do.

    Raises:
        UserError: where that is so.
    """
    if find_spec("pyarrow") is None:
        fix = f"Install it: pip install 'ajuste-fino[parquet]'.{otherwise}"
        raise UserError(key, "needs the library pyarrow", fix=fix)


@contextmanager
def growing_parquet(path: Path, columns: Mapping[str, type | dict[str, type]]) -> Iterator[Record]:
    """A function that writes a record to `path.part`, which takes the name of `path` at a good end, and goes after a failure.

    Bytes of a text that are no Unicode become codes such as `\\udcf1`.

    Args:
        columns: of each its type, text, number or truth value; a dictionary stands for a list of records of such columns.
    """
    import pyarrow as pa
    from pyarrow import parquet

    def kind(given: type | dict[str, type]) -> pa.DataType:
        if isinstance(given, dict):
            return pa.list_(pa.struct([(name, kind(one)) for name, one in given.items()]))
        return getattr(pa, KINDS[given])()

    schema, rows = pa.schema([(name, kind(given)) for name, given in columns.items()]), list[Mapping[str, object]]()
    with whole(path) as part, parquet.ParquetWriter(part, schema) as writer:

        def flush() -> None:
            writer.write_table(pa.Table.from_pylist([_unicode(row) for row in rows], schema=schema))
            rows.clear()

        def write(record: Mapping[str, object]) -> None:
            rows.append(record)
            if len(rows) * len(columns) >= CELLS:
                flush()

        yield write
        flush()


def _unicode(value: object) -> object:
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {name: _unicode(one) for name, one in value.items()}
    return [_unicode(one) for one in value] if isinstance(value, Sequence) else value
