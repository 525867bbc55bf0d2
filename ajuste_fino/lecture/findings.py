"""What an experiment returns: checks with bands fixed beforehand, a table, and what its figure needs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, NamedTuple


class Text(NamedTuple):
    """A sentence in the languages of the lecture."""

    en: str
    es: str

    def said(self, lang: str) -> str:
        return str(getattr(self, lang))


BESIDE = Text("beside the lecture's claim", "fuera de lo que afirma la clase")
Say = Callable[[str, str], str]


def words(lang: str) -> Say:
    """English and Spanish → the one that is wanted."""
    return lambda en, es: Text(en, es).said(lang)


@dataclass(frozen=True)
class Limit:
    """What a setting must be, beside being of its default's kind: each number of it from `low` to `high`, odd if so said.

    `shortest` is how many numbers a list must have at least.
    """

    low: float = -inf
    high: float = inf
    odd: bool = False
    shortest: int = 1

    def breach(self, value: Any) -> str | None:
        """The rule that a value breaks."""
        numbers = value if isinstance(value, list) else [value]
        if len(numbers) < self.shortest:
            return f"at least {self.shortest} numbers; got {value}"
        if self.odd and any(number % 2 == 0 for number in numbers):
            return f"odd; got {value}"
        within = all(self.low <= number <= self.high for number in numbers)
        return None if within else f"from {self.low:g} to {self.high:g}; got {value}"


def mean(rows: Sequence[Mapping[str, Any]], column: str, **where: Any) -> float:
    """The mean of a column over the rows where other columns have given values."""
    values = [row[column] for row in rows if all(row.get(key) == value for key, value in where.items())]
    return sum(values) / len(values)


@dataclass(frozen=True)
class Check:
    """A measured value and the band it was expected in.

    Args:
        identity: exact by algebra; outside the band the code is wrong.
        otherwise: what it means where the value is outside the band.
        beyond: beside the lecture's claim: it is told, and does not decide the verdict.
    """

    what: Text
    value: float
    low: float = -inf
    high: float = inf
    identity: bool = False
    otherwise: Text | None = None
    beyond: bool = False

    @property
    def holds(self) -> bool:
        return bool(self.low <= self.value <= self.high)  # False for NaN; numbers may be numpy's


@dataclass(frozen=True)
class Findings:
    """Checks, the table (a dictionary a row), and arrays to draw."""

    checks: Sequence[Check]
    rows: Sequence[dict[str, Any]]
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        return "PASS" if all(check.holds or check.beyond for check in self.checks) else "NOT REPRODUCED"

    @property
    def broken(self) -> list[Check]:
        """Identities that do not hold: a defect of the code, not a finding."""
        return [check for check in self.checks if check.identity and not check.holds]

    def told(self, lang: str) -> str:
        """The verdict, then a line for each check, and why where one does not hold."""
        lines = [self.verdict]
        for check in self.checks:
            beside = f" ({BESIDE.said(lang)})" if check.beyond else ""
            lines.append(f"  {'✓' if check.holds else '✗'} {check.what.said(lang)}{beside}: {check.value:.4g}")
            if check.otherwise and not check.holds:
                lines.append(f"    {check.otherwise.said(lang)}")
        return "\n".join(lines)

    def column(self, name: str, **where: Any) -> list[Any]:
        """The values of a column in the rows where other columns have given values."""
        return [row[name] for row in self.rows if all(row.get(key) == value for key, value in where.items())]
