"""`data.group`: keep images that belong together, such as one person's, in one split."""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ajuste_fino.data.sample import Sample
from ajuste_fino.data.sources.source import Root, Source
from ajuste_fino.data.table import GROUP, no_column, table_column
from ajuste_fino.errors import UserError, preview
from ajuste_fino.tables import read_table


def assign_groups(samples: Sequence[Sample], group: str | None, root: Root) -> list[Sample]:
    """Assign each sample the group it belongs to.

    Args:
        group: a column of the CSV or the Parquet files, or a regular expression with one pair of parentheses, which is
            looked for in each file's path relative to the root: `(person\\d+)`.

    Raises:
        UserError: where it is neither, or leaves a file without a group.
    """
    if group is None:
        return list(samples)
    names = _column(root, group) if "(" not in group else _matches(samples, group)
    without = [sample.file for sample in samples if not names.get(sample.file)]
    if without:
        fix = f"{len(without)} have none:\n{preview(without)}"
        raise UserError(GROUP, "must give every image a group", got=group, fix=fix)
    return [replace(sample, group=names[sample.file]) for sample in samples]


def _column(root: Root, column: str) -> dict[str, str]:
    """The group of each file that a CSV names, or of each image of a source."""
    if isinstance(root, Source):
        return root.column(column)
    if not root.is_file():
        raise no_column(column)
    return table_column(read_table(root, ("file",)), column)


def _matches(samples: Iterable[Sample], pattern: str) -> dict[str, str]:
    fix = r"An example: data.group='(person\d+)'."
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise UserError(GROUP, f"must be a regular expression ({error})", got=pattern, fix=fix) from error
    if expression.groups != 1:
        raise UserError(GROUP, "must have one pair of parentheses that capture", got=pattern, fix=fix)
    found = ((sample.file, expression.search(sample.file)) for sample in samples)
    return {file: match[1] or "" for file, match in found if match}


def groups(samples: Sequence[Sample]) -> list[str]:
    """Name for each sample what it must stay together with: its group, and the copies of its content."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            name = parent[name]
        return name

    for sample in samples:
        if sample.group:
            one, other = sorted((root(f"group {sample.group}"), root(sample.sha256)))
            parent[one] = other
    return [root(sample.sha256) for sample in samples]


def stratified_group_split(
    samples: Sequence[Sample], shares: dict[str, float], seed: int, keep: str | None = None
) -> dict[str, str]:
    """Give each unit to a side, so that every side has its share of every class as nearly as whole units allow.

    Units are dealt from the largest to the smallest, each to the side that lacks its classes most; equal ones in an order
    that the seed draws. The side `keep` gets a unit of every class first.

    Returns:
        Side by unit.

    Raises:
        UserError: where there are fewer units than sides.
    """
    names = groups(samples)
    held: dict[str, Counter[str]] = defaultdict(Counter)
    for unit, sample in zip(names, samples, strict=True):
        held[unit][sample.label] += 1
    if len(held) < len(shares):
        fix = f"The splits are {', '.join(shares)}; choose groups that are smaller."
        raise UserError(GROUP, "must give at least one group for each split", got=len(held), fix=fix)
    order = sorted(held, key=lambda unit: (-held[unit].total(), hashlib.sha256(f"{seed} {unit}".encode()).digest()))
    totals = Counter(sample.label for sample in samples)
    lack = {side: {label: share * totals[label] for label in totals} for side, share in shares.items()}
    first = _first(order, held) if keep else []
    sides: dict[str, str] = {}
    for unit in dict.fromkeys(first + order):
        empty = [side for side in shares if side not in sides.values()]
        open_to = empty if len(held) - len(sides) <= len(empty) else list(shares)
        sides[unit] = str(keep) if unit in first else max(open_to, key=lambda side: _gain(held[unit], lack[side], totals))
        for label, count in held[unit].items():
            lack[sides[unit]][label] -= count
    return sides


def _first(order: Sequence[str], held: dict[str, Counter[str]]) -> list[str]:
    """The smallest units that together have every class."""
    chosen: dict[str, None] = {}
    seen: set[str] = set()
    for unit in reversed(order):
        if held[unit].keys() - seen:
            chosen[unit] = None
            seen |= held[unit].keys()
    return list(chosen)


def _gain(unit: Counter[str], lack: dict[str, float], totals: Counter[str]) -> float:
    return sum(count * lack[label] / totals[label] for label, count in unit.items())
