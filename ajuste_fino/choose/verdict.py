"""Which of several heads is clearly better, and which backbone to take."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from ajuste_fino.backbone.taps import Cut
from ajuste_fino.scores import wilson

ERRORS = 2  # standard errors of a difference that count as a difference


class Score(NamedTuple):
    """A cut by its cross-validated head: which images it got right, (N,) of bool, its LogME, and how many features it has."""

    cut: Cut
    right: Tensor
    logme: float
    features: int

    @property
    def accuracy(self) -> float:
        return float(self.right.double().mean())

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the accuracy."""
        return wilson(int(self.right.sum()), len(self.right))


@dataclass(frozen=True)
class Row:
    """A candidate at one of its cuts: milliseconds an image of the network's pass, and parameters up to there.

    `default`: the cut is the one that is taken where nothing is said; `chosen`: it is the one that counts for the candidate.
    """

    label: str
    score: Score
    milliseconds: float
    parameters: int
    default: bool
    chosen: bool


def clearly_better(one: Tensor, other: Tensor, errors: float = ERRORS) -> bool:
    """Whether one head is right on clearly more of the same images than the other: by two standard errors, or as many.

    Only the images on which they differ tell; source: McNemar, "Note on the Sampling Error of the Difference between Correlated
    Proportions or Percentages", *Psychometrika* 12, 1947.
    """
    gained, lost = int((one & ~other).sum()), int((other & ~one).sum())
    return gained - lost > errors * (gained + lost) ** 0.5


def best(scores: Sequence[Score]) -> Score:
    """The most accurate; of equal ones that of the highest LogME."""
    return max(scores, key=lambda score: (int(score.right.sum()), score.logme))


def choose_cut(scores: Sequence[Score], default: Score) -> Score:
    """The best one, where it is clearly better than the default; else the default."""
    top = best(scores)
    return top if clearly_better(top.right, default.right) else default


def recommend(rows: Sequence[Row]) -> Row:
    """Of the chosen rows the fastest that is within one standard error of the most accurate.

    Source: the rule of Breiman, Friedman, Olshen and Stone, *Classification and Regression Trees*, 1984, section 3.4.3. A
    small sample cannot tell much apart, and must not make a far worse one good enough.
    """
    chosen = [row for row in rows if row.chosen]
    top = best([row.score for row in chosen])
    near = (row for row in chosen if not clearly_better(top.right, row.score.right, errors=1))
    return min(near, key=lambda row: row.milliseconds)


def pareto(rows: Sequence[Row]) -> list[Row]:
    """The chosen rows than which no other is faster and at least as accurate, or as fast and more accurate; by time."""
    front: list[Row] = []
    for row in sorted((row for row in rows if row.chosen), key=lambda row: (row.milliseconds, -row.score.accuracy)):
        if not front or row.score.accuracy > front[-1].score.accuracy:
            front.append(row)
    return front
