"""What can go wrong, and with which exit code. The command line prints the message of these and no traceback."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from math import inf, isfinite

from ajuste_fino.escape import lines, printable, quoted

MOST_NAMES = 30  # that a message lists


class AjusteFinoError(Exception):
    """A run that could not do its whole job: exit code 1."""

    exit_code = 1


class Diverged(AjusteFinoError):
    """Training that came to a loss which is no number: of several runs, the others may still go on."""


class UserError(AjusteFinoError):
    """A mistake the user can mend: exit code 2.

    The message has one grammar, so that no part is forgotten: the thing, the rule it breaks, the value that was given,
    and the way out.

    >>> print(UserError("features.pool", "must be 1, 2 or 4", got=3, fix="Pass features.pool=4."))
    features.pool must be 1, 2 or 4; got 3. Pass features.pool=4.
    """

    exit_code = 2

    def __init__(self, thing: str, rule: str, *, fix: str, got: object = None) -> None:
        self.parts = (thing, rule, fix, got)
        given = "" if got is None else f"; got {got!r}" if isinstance(got, int | float) else f"; got {printable(str(got))}"
        super().__init__(f"{printable(thing)} {printable(rule)}{given}. {lines(fix)}")


@dataclass(frozen=True)
class Range:
    """Which finite numbers a key takes: whole ones (`int`) or any (`float`), from `low` to `high`.

    `optional`: null as well; `above`: not `low` itself.
    """

    kind: type
    low: float
    high: float = inf
    optional: bool = False
    above: bool = False

    def __contains__(self, value: object) -> bool:
        if value is None or isinstance(value, bool):
            return value is None and self.optional
        if not isinstance(value, int if self.kind is int else (int, float)) or (
            isinstance(value, float) and not isfinite(value)
        ):
            return False
        return self.low <= value <= self.high and not (self.above and value == self.low)

    def __str__(self) -> str:
        what = "whole number" if self.kind is int else "number"
        limits = f" of at least {self.low:g}" if self.high == inf else f" from {self.low:g} to {self.high:g}"
        if self.above or self.low == -inf:
            limits = f" above {self.low:g}" if self.above else ""
        return f"a {what}{limits}{', or null' if self.optional else ''}"


def nearest(word: str, known: list[str]) -> str:
    """A sentence with the closest of the known names, or with all of them when none is close."""
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {close[0]}?"
    if len(known) > MOST_NAMES:
        return f"Of {len(known)} names, the nearest: {', '.join(get_close_matches(word, known, n=10, cutoff=0))}."
    return f"Known: {', '.join(sorted(known))}."


def counted(number: int, noun: str) -> str:
    """`1 image`, `3,000 images`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listed(names: Sequence[str], most: int = 10) -> str:
    """The first names in a sentence, and how many more there are: `a, b and 3 more`."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def preview(items: list[str], most: int = 10) -> str:
    """The first items, a line each whatever they hold, and how many more there are."""
    rest = [f"  … and {len(items) - most} more"] if len(items) > most else []
    return "\n".join([f"  {quoted(item)}" for item in items[:most]] + rest)
