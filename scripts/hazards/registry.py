"""What a hazard is: a name, a target, a check that measures, and what came of it."""

import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np


class NotYet(Exception):
    """The product lacks what the check would try; the message says what."""


@dataclass(frozen=True)
class Outcome:
    """Whether the target was reached, and what was seen."""

    reached: bool
    figure: str


Check = Callable[[Path, int, np.random.Generator], Outcome]


@dataclass(frozen=True)
class Hazard:
    """`check(work, size, rng)` tries it `size` times in the empty folder `work`; `seconds` is about what that takes."""

    name: str
    what: str
    target: str
    size: int
    quick: int
    seconds: float
    check: Check


@dataclass(frozen=True)
class Result:
    """A row of the table; `state` is reached, missed, or not there yet."""

    name: str
    what: str
    target: str
    size: int
    state: str
    figure: str
    seconds: float

    def plain(self) -> dict[str, Any]:
        return asdict(self)


HAZARDS: dict[str, Hazard] = {}
_listeners: list[Callable[[float], None]] = []


def hazard(name: str, target: str, size: int, quick: int, seconds: float = 10) -> Callable[[Check], Check]:
    """Put a check into the table, under its docstring's first line."""

    def register(check: Check) -> Check:
        HAZARDS[name] = Hazard(name, (check.__doc__ or "").splitlines()[0], target, size, quick, seconds, check)
        return check

    return register


def steps(items: Iterable, total: int | None = None) -> Iterator:
    """Go through a check's tries, and tell whoever shows the progress which share of them is done."""
    items = list(items) if total is None else items
    total = len(items) if total is None else total
    for done, item in enumerate(items, start=1):
        yield item
        for listen in _listeners:
            listen(done / total)


def carry_out(one: Hazard, work: Path, size: int, seed: int, listen: Callable[[float], None] = lambda share: None) -> Result:
    """Run a check in an empty folder; what it raises is what was seen."""
    rng = np.random.default_rng([seed, zlib.crc32(one.name.encode())])
    begun = time.perf_counter()
    _listeners.append(listen)
    try:
        outcome = one.check(work, size, rng)
        state, figure = "reached" if outcome.reached else "missed", outcome.figure
    except NotYet as reason:
        state, figure = "not there yet", str(reason)
    except Exception as error:  # a row that breaks must not hide the others
        state, figure = "missed", f"{type(error).__name__}: {error}"
    finally:
        _listeners.remove(listen)
    return Result(one.name, one.what, one.target, size, state, figure, round(time.perf_counter() - begun, 1))
