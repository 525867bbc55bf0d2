"""What an experiment returns: checks with bands fixed beforehand, a table, and what its figure needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

from ajuste_fino.lecture.formatting import band, number
from ajuste_fino.lecture.text import Texts

PASS, NOT_REPRODUCED, NOT_JUDGED = VERDICTS = "PASS", "NOT REPRODUCED", "not judged at these settings"


class Table(list[dict[str, Any]]):
    """What was measured, a dictionary a row."""

    def column(self, name: str, **where: Any) -> list[Any]:
        """The values of a column in the rows where other columns have given values."""
        return [row[name] for row in self if all(row.get(key) == value for key, value in where.items())]

    def mean(self, name: str, **where: Any) -> float:
        """The mean of `column`."""
        values = self.column(name, **where)
        return float(sum(values) / len(values))


@dataclass(frozen=True)
class Check:
    """A measured value and the band it was expected in.

    Args:
        name: the key of its sentence in the experiment's texts.
        identity: exact by algebra; outside the band the code is wrong.
        explanation: the key of what it means where the value is outside the band.
        informational: beside the lecture's claim; it is reported and does not decide the verdict.
        values: what the placeholders of the sentence stand for; a text of the experiment by its key.
    """

    name: str
    value: float
    low: float = -inf
    high: float = inf
    identity: bool = False
    explanation: str | None = None
    informational: bool = False
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        return bool(self.low <= self.value <= self.high)  # False for NaN; numbers may be numpy's

    def sentence(self, texts: Texts) -> str:
        """What was measured."""
        values = {key: texts(value) if value in texts else value for key, value in self.values.items()}
        return texts(self.name, **values)

    def line(self, texts: Texts) -> str:
        """What was measured, the value, and the band."""
        beside = f" ({texts('informational')})" if self.informational else ""
        found = f"{number(self.value)} ({texts('expected')} {band(self.low, self.high)})"
        return f"{'✓' if self.holds else '✗'} {self.sentence(texts)}{beside}: {found}"

    def reason(self, texts: Texts) -> str | None:
        """The explanation, where the value is outside the band and there is one."""
        return texts(self.explanation) if self.explanation and not self.holds else None


@dataclass(frozen=True)
class Findings:
    """Checks, the table, and arrays to draw.

    Args:
        judged: the settings are those that the bands were argued for; with others there is no verdict.
    """

    checks: Sequence[Check]
    rows: Table
    data: dict[str, Any] = field(default_factory=dict)
    judged: bool = True

    @property
    def verdict(self) -> str:
        """One of `VERDICTS`."""
        if not self.judged:
            return NOT_JUDGED
        return NOT_REPRODUCED if self.against else PASS

    @property
    def against(self) -> list[Check]:
        """The checks outside their bands that speak against the claim."""
        return [check for check in self.checks if not (check.holds or check.informational)]

    @property
    def broken(self) -> list[Check]:
        """Identities that do not hold: a defect of the code, not a finding."""
        return [check for check in self.checks if check.identity and not check.holds]

    def summary(self, texts: Texts) -> str:
        """The verdict on the claim, then a line for each check, and the explanation where one does not hold."""
        lines = [f"{texts(self.verdict)}: {texts('claim')}"]
        for check in self.checks:
            lines.append(f"  {check.line(texts)}")
            if reason := check.reason(texts):
                lines.append(f"    {reason}")
        return "\n".join(lines)
