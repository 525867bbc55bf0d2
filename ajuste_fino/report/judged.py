"""What a table of predictions says of a model: how sure its accuracy is, which classes it confuses, where it is wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ajuste_fino.files import read_csv

DRAWS = 2000  # of the bootstrap
BINS = 10  # of the calibration diagram


class Interval(NamedTuple):
    """Between which numbers a figure lies with 95 % confidence."""

    low: float
    high: float


class Confused(NamedTuple):
    """How many images of a class were taken for another one, and which share of it they are."""

    label: str
    predicted: str
    images: int
    share: float


class Bin(NamedTuple):
    """Images whose label has a probability of about `confidence`: how many of them there are, and which share is right."""

    confidence: float
    accuracy: float
    images: int


@dataclass(frozen=True)
class Judged:
    """Predictions of N images: `files`, the numbers `true` and `predicted` (N,), the `probability` of the predicted (N,)."""

    labels: Sequence[str]
    files: Sequence[str]
    true: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probability: NDArray[np.float64]

    @classmethod
    def read(cls, table: Path) -> "Judged":
        """Read a table that `scores.write_predictions` wrote."""
        rows = read_csv(table)
        labels = [column.removeprefix("p:") for column in rows[0] if column.startswith("p:")]
        number = {label: n for n, label in enumerate(labels)}
        true, predicted = (np.array([number[row[key]] for row in rows]) for key in ("label", "predicted"))
        return cls(
            labels, [row["file"] for row in rows], true, predicted, np.array([float(row["probability"]) for row in rows])
        )

    def __len__(self) -> int:
        return len(self.files)

    @property
    def right(self) -> NDArray[np.bool_]:
        """(N,): whether each prediction is right."""
        return self.true == self.predicted

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """(C, C): how many images of the class of a row were predicted as that of a column."""
        size = len(self.labels)
        return np.bincount(self.true * size + self.predicted, minlength=size * size).reshape(size, size)

    def interval(self, seed: int = 0) -> Interval:
        """The bootstrap interval of the accuracy: its 2.5th and 97.5th percentile over images drawn with replacement.

        Of N images drawn so, the number that are right is binomial. Where all or none are right every draw is the same, and
        the interval would be a point: Wilson's is the one to take.

        Source: Efron and Tibshirani, *An Introduction to the Bootstrap*, 1993, chapter 13.
        """
        drawn = np.random.default_rng(seed).binomial(len(self), self.right.mean(), DRAWS) / len(self)
        return Interval(*np.quantile(drawn, [0.025, 0.975]).tolist())

    def confused(self, most: int) -> list[Confused]:
        """The pairs of classes that were confused most often, true and predicted; of equal ones the larger share first."""
        support = self.counts.sum(1)
        pairs = [(t, p) for t, p in np.argwhere(self.counts).tolist() if t != p]
        found = [
            Confused(self.labels[t], self.labels[p], int(self.counts[t, p]), float(self.counts[t, p] / support[t]))
            for t, p in pairs
        ]
        return sorted(found, key=lambda pair: (-pair.images, -pair.share))[:most]

    def most_wrong(self, most: int) -> list[int]:
        """The positions of the wrong predictions of which the model was surest, surest first."""
        wrong = np.flatnonzero(~self.right)
        return wrong[np.argsort(-self.probability[wrong], kind="stable")][:most].tolist()

    def surest(self, most: int) -> list[int]:
        """The positions of right predictions, the surest of each class in turns, those of the weakest classes first."""
        found = self.counts.diagonal() / self.counts.sum(1).clip(1)
        of_class: dict[int, list[int]] = {c: [] for c in np.argsort(found, kind="stable").tolist()}
        for n in np.argsort(-self.probability, kind="stable").tolist():
            if self.right[n]:
                of_class[int(self.true[n])].append(n)
        return [n for turn in zip_longest(*of_class.values()) for n in turn if n is not None][:most]

    def bins(self) -> list[Bin]:
        """The images by the probability of their label, in ten equal steps from 0 to 1; those without images are left out."""
        step = np.minimum((self.probability * BINS).astype(int), BINS - 1)
        groups = [np.flatnonzero(step == n) for n in range(BINS)]
        return [
            Bin(float(self.probability[group].mean()), float(self.right[group].mean()), len(group))
            for group in groups
            if len(group)
        ]
