"""`data=parquet`: images and labels in the rows of Parquet files, as data sets of the Hugging Face Hub have them."""

from bisect import bisect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from ajuste_fino.data.content import Content
from ajuste_fino.data.names import split_named
from ajuste_fino.data.sample import Sample
from ajuste_fino.data.scan_result import ScanResult
from ajuste_fino.data.sources.kinds import ENDINGS
from ajuste_fino.data.sources.parquet_rows import ParquetRow, parquet_file
from ajuste_fino.data.sources.parquet_schema import Columns, columns, no_image
from ajuste_fino.data.sources.shards import Shard, grouped_by_file, note_splits, shards
from ajuste_fino.data.sources.source import MOST, Missing, Source, ahead, too_many
from ajuste_fino.data.sources.storage import Place, reaching
from ajuste_fino.errors import UserError, nearest, preview
from ajuste_fino.parquet import require_pyarrow

WHERE = "data=parquet"


@dataclass(frozen=True)
class Footer:
    """What the end of a Parquet file says: the types of its columns, and how many rows each of its groups has."""

    shard: Shard
    schema: Any
    rows: list[int]
    nulls: dict[str, int]  # of columns whose groups all tell it


@dataclass(frozen=True)
class Parquet(Source):
    """Parquet files: one, all of a folder, or those of a pattern.

    An image is called as its file and the number of its row in it, from 0: `data/train-00000-of-00002.parquet#17`.
    """

    one_class = "Name another column for the label by data.label_column=NAME, or add the files of the other classes."
    place: Place
    image_column: str | None = None
    label_column: str | None = None

    def scan(self) -> ScanResult:
        footers, total = [], 0
        for footer in self._footers(self._files()):
            footers.append(footer)
            total += sum(footer.rows)
            if total > MOST:
                raise too_many(self, WHERE)
        found = ScanResult()
        self.collect(self._samples(footers, found), found, WHERE)
        return found

    def read(self, found: ScanResult) -> Iterator[Sample]:
        yield from self._samples(self._footers(self._files()), found)

    def contents(self, names: Sequence[str]) -> list[Content]:
        files = {file.name: file for file in self._files()}
        there: dict[str, Content] = {}
        for name, inside in grouped_by_file(names, _parted).items():
            if name in files:
                there |= self._rows(_footer(files[name]), inside)
        return [there.get(name) or Missing(name) for name in names]

    def column(self, name: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for file in self._files():
            footer = _footer(file)
            if name not in footer.schema.names:
                fix = nearest(name, footer.schema.names)
                raise UserError("data.group", f"must be a column of {file.name}", got=name, fix=fix)
            values = _read(footer, [name]).column(0).to_pylist()
            found |= {f"{file.name}#{row}": "" if value is None else str(value) for row, value in enumerate(values)}
        return found

    def _files(self) -> list[Shard]:
        require_pyarrow(WHERE, "")
        return shards(self.place, ENDINGS["parquet"], "Parquet files")

    def _footers(self, files: Sequence[Shard]) -> Iterator[Footer]:
        return ahead(_footer, files)

    def _samples(self, footers: Iterable[Footer], found: ScanResult) -> Iterator[Sample]:
        """The rows of all files; the splits of these count where no file has a column of them."""
        files, with_column = list[Shard](), False
        for footer, table, chosen in ahead(self._table, footers):
            files.append(footer.shard)
            with_column = with_column or chosen.split is not None
            yield from _samples(footer, table, chosen)
        if not with_column:
            note_splits(files, found)

    def _table(self, footer: Footer) -> tuple[Footer, Any, Columns]:
        """The labels of a file, and its splits where it has them, and what its columns mean."""
        chosen = self._columns(footer)
        if sum(footer.rows) and footer.nulls.get(chosen.image) == sum(footer.rows):
            raise no_image(footer.shard.place, chosen.image)
        return footer, _read(footer, [chosen.label, *([chosen.split] if chosen.split else [])]), chosen

    def _columns(self, footer: Footer) -> Columns:
        return columns(footer.schema, footer.shard.place, self.image_column, self.label_column)

    def _rows(self, footer: Footer, names: Sequence[tuple[str, str]]) -> dict[str, Content]:
        """The images of a file by their names, which say the number of the row."""
        path, starts = self._columns(footer).image, [0, *accumulate(footer.rows)]
        found: dict[str, Content] = {}
        for name, number in ((name, int(row)) for name, row in names if row.isdecimal() and int(row) < starts[-1]):
            group = bisect(starts, number) - 1
            found[name] = ParquetRow(footer.shard.place, path, group, number - starts[group])
        return found


def _parted(name: str) -> tuple[str, str]:
    file, _, row = name.rpartition("#")
    return file, row


def _footer(shard: Shard) -> Footer:
    with reaching(shard.place):
        file = parquet_file(shard.place)
        try:
            groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]
            return Footer(shard, file.schema_arrow, [group.num_rows for group in groups], _nulls(groups))
        finally:
            file.close(force=True)


def _nulls(groups: Sequence[Any]) -> dict[str, int]:
    found: dict[str, int] = {}
    for number in range(groups[0].num_columns if groups else 0):
        told = [group.column(number).statistics for group in groups]
        if all(one is not None and one.has_null_count for one in told):
            found[groups[0].column(number).path_in_schema] = sum(one.null_count for one in told)
    return found


def _read(footer: Footer, names: Sequence[str]) -> Any:
    """Some columns of a file."""
    import pyarrow as pa

    file = parquet_file(footer.shard.place)
    try:
        return file.read(columns=list(names), use_threads=False)
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        fix = "It may be a download that was cut off; fetch it again."
        raise UserError(str(footer.shard.place), f"cannot be read as a Parquet file ({reason})", fix=fix) from error
    finally:
        file.close(force=True)


def _samples(footer: Footer, table: Any, chosen: Columns) -> Iterator[Sample]:
    """The rows of a file in their order."""
    place, name = footer.shard.place, footer.shard.name
    labels = _labels(footer.shard, table.column(0), chosen)
    splits = table.column(1).to_pylist() if chosen.split else None
    rows = ((group, row) for group, count in enumerate(footer.rows) for row in range(count))
    for number, ((group, row), label) in enumerate(zip(rows, labels, strict=True)):
        split = footer.shard.split if splits is None else split_named(str(splits[number] or "").strip(), place, number)
        yield Sample(ParquetRow(place, chosen.image, group, row), f"{name}#{number}", label, split)


def _labels(shard: Shard, column: Any, chosen: Columns) -> list[str]:
    """The labels of a file, as texts.

    Raises:
        UserError: where a row has none, or a number that no class has.
    """
    given = column.to_pylist()
    if chosen.names is not None and not any(isinstance(one, str) for one in given):
        names = dict(enumerate(chosen.names))
        labels = [None if one is None else names.get(one, "") for one in given]
    else:
        labels = [None if one is None else str(one) for one in given]
    without = [f"row {row}: {'null' if given[row] is None else given[row]}" for row, label in enumerate(labels) if not label]
    if without:
        rule = f"must have a label in every row of its column {chosen.label}"
        why = "" if chosen.names is None else f" Its numbers are 0 to {len(chosen.names) - 1}, of {len(chosen.names)} classes."
        fix = f"Leave that file out, or name another column by data.label_column.{why} Without one:\n{preview(without)}"
        raise UserError(str(shard.place), rule, got=f"{len(without):,} rows without", fix=fix)
    return [str(label) for label in labels]
