"""The settings of an experiment: each has the type of its default, and lies within the limits that the experiment gives."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import Any

from ajuste_fino.errors import Range, UserError


@dataclass(frozen=True)
class Limit:
    """What a setting must be, beside having its default's type.

    Each of its numbers lies from `low` to `high`, and is odd where `odd` is set; a list has at least `shortest` of them, each
    larger than the one before where `rising` is set, of which a 0 at its end, which stands for all, is the largest.
    """

    low: float = -inf
    high: float = inf
    odd: bool = False
    shortest: int = 1
    rising: bool = False

    def violation(self, value: Any) -> str | None:
        """The rule that a value breaks; None where it breaks none."""
        numbers = value if isinstance(value, list) else [value]
        if len(numbers) < self.shortest:
            return f"at least {self.shortest} numbers; got {value}"
        if self.odd and any(number % 2 == 0 for number in numbers):
            return f"odd; got {value}"
        if self.rising and not all(a < b for a, b in pairwise([number or inf for number in numbers])):
            return f"rising; got {value}"
        within = all(self.low <= number <= self.high for number in numbers)
        return None if within else f"from {self.low:g} to {self.high:g}; got {value}"


def check(given: Mapping[str, Any], defaults: Mapping[str, Any], limits: Mapping[str, Limit]) -> None:
    """Refuse settings that the experiment cannot have, all of them at once.

    Raises:
        UserError: where there is one.
    """
    wrong = [f"{key} ({rule})" for key, default in defaults.items() if (rule := violation(given[key], default))]
    wrong = wrong or [f"{key} ({rule})" for key, limit in limits.items() if (rule := limit.violation(given[key]))]
    if wrong:
        raise UserError("These settings", f"cannot be used: {', '.join(wrong)}", fix="Change them.")


def same(given: Mapping[str, Any], defaults: Mapping[str, Any]) -> bool:
    """Whether every setting has its default; a path, whose default is null or a text, may be any."""
    return all(_same(given[key], default) for key, default in defaults.items())


def _same(value: Any, default: Any) -> bool:
    if isinstance(default, dict):
        return value.keys() == default.keys() and same(value, default)
    return _is_path(default) or value == default


def _is_path(default: Any) -> bool:
    return default is None or isinstance(default, str)


def violation(value: Any, default: Any) -> str | None:
    """The rule that a value breaks by not being of its default's type; None where it breaks none."""
    if _is_path(default):
        return None if value is None or isinstance(value, str) else f"a text, or null; got {value}"
    if isinstance(default, dict):
        same = isinstance(value, dict) and value.keys() == default.keys()
        return next((r for k in default if (r := violation(value[k], default[k]))), None) if same else f"keys {list(default)}"
    if isinstance(default, list):
        if not isinstance(value, list) or not value:
            return f"a list as {default}; got {value}"
        return next((r for one in value if (r := violation(one, min(default)))), None)
    least = min(default, 1) if isinstance(default, int) else 0
    kind: Any = int if isinstance(default, int) else (int, float)
    fits = value in Range(kind, least) and (value > 0 or least < 1)
    return None if fits else f"a {'whole ' if kind is int else ''}number of at least {least:g}; got {value}"
