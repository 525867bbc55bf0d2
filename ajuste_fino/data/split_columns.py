"""Columns of a table that seem to say the split and are not read, by what their cells hold."""

from collections.abc import Iterator, Sequence

from ajuste_fino.data.names import says_split, split_in_table
from ajuste_fino.escape import printable
from ajuste_fino.tables import Table

YES_OR_NO = {"0", "1", "0.0", "1.0", "true", "false", "yes", "no", "t", "f", "y", "n"}


def split_columns(table: Table, columns: Sequence[str]) -> list[str]:
    """Those of the columns whose cells are words for several splits, or yes and no under a name such as is_valid.

    Each with what its words mean. A column is read only as far as the first cell that is something else.
    """
    return [told for name in columns if (told := _meaning(name, _distinct(table, name)))]


def _distinct(table: Table, column: str) -> list[str]:
    """The different cells of a column; none where one is no word for a split, and no yes or no."""
    found: dict[str, None] = {}
    for row in table.rows:
        cell = row.cells.get(column, "").strip()
        if cell not in found:
            if not split_in_table(cell) and cell.lower() not in YES_OR_NO:
                return []
            found[cell] = None
    return list(found)


def _meaning(column: str, words: Sequence[str]) -> str:
    if len(words) < 2:
        return ""
    if all(split_in_table(word) for word in words):
        pairs: Iterator[str] = (f"{printable(word)} is {split_in_table(word)}" for word in words)
        return f"{column}: {', '.join(pairs)}"
    if says_split(column) and not any(split_in_table(word) for word in words):
        return f"{column}: {', '.join(words)}, which must become the names of splits"
    return ""
