"""From a learning curve to the accuracy of twice the images: two power laws, and an interval by bootstrap.

The error falls as a·n^−b, or as a·n^−b + c towards what no number of images takes away. Over the tenfold range that a data set
can show of itself, the two fit equally well and part beyond it: the first promises too much, the second too little. So the
forecast is the mean of both, and its interval has as many samples of the one as of the other.

Source of the laws: Hestness and others, "Deep Learning Scaling is Predictable, Empirically", arXiv:1712.00409, 2017; of the
bootstrap: Efron and Tibshirani, *An Introduction to the Bootstrap*, 1993, chapter 6.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from torch import Tensor

from ajuste_fino.insight.curve import Curve

EXPONENTS = np.linspace(0.05, 1.5, 59)  # b, tried one by one; for each, a and c are a least-squares fit
SAMPLES = 1000  # of the bootstrap
TAILS = (0.025, 0.975)
TIMES = 2.0  # as many images


class Law(NamedTuple):
    """The error a·n^−b + c, with n as a multiple of the training images."""

    a: float
    b: float
    c: float


@dataclass(frozen=True)
class Forecast:
    """The accuracy with all training images, and with twice as many: what is expected of it, its 95 % interval.

    All are of the same validation images: others would move the whole curve, by the interval that an accuracy has anyway.
    `plain` and `floored` are the two laws.
    """

    now: float
    twice: float
    low: float
    high: float
    plain: Law
    floored: Law

    @property
    def gain(self) -> float:
        return self.twice - self.now

    def accuracy(self, times: float) -> float:
        """What is expected of `times` as many images as there are."""
        return 1 - sum(a * times**-b + c for a, b, c in (self.plain, self.floored)) / 2


def forecast(curve: Curve, seed: int, samples: int = SAMPLES, of: Tensor | None = None) -> Forecast:
    """Extend a learning curve to twice the images.

    A sample of the bootstrap draws heads anew within each share, and validation images anew: images move all shares together,
    so that they count for the gain and not for the level. What a single set of twice the images would differ from the mean
    of all such sets comes on top, told from how much draws of a share differ.

    Args:
        of: (V,), the validation images to look at, those of a class; None: all.
    """
    wrong = (curve.wrong if of is None else curve.wrong[of]).double().numpy()
    groups = [np.flatnonzero((curve.share == share).numpy()) for share in curve.shares]
    sizes = np.array(curve.sizes) / curve.sizes[-1]
    random = np.random.default_rng(seed)
    errors = np.array([wrong.mean(0)[group].mean() for group in groups])[None]
    laws = [_fit(sizes, errors, floor) for floor in (False, True)]
    again = [group[random.integers(len(group), size=(samples, len(group)))] for group in groups]
    drawn = np.stack([wrong.mean(0)[heads].mean(1) for heads in again], 1)
    weights = random.multinomial(len(wrong), np.full(len(wrong), 1 / len(wrong)), size=samples) / len(wrong)
    both = weights @ wrong
    moved = np.stack([np.take_along_axis(both, heads, 1).mean(1) for heads in again], 1)
    level = sum(_at(_fit(sizes, drawn, floor), 1.0) for floor in (False, True)) / 2
    one, other = (_fit(sizes, moved, floor) for floor in (False, True))
    law = np.where(random.random(samples)[:, None] < 0.5, one, other)
    luck = random.normal(0, (_variance_of_sets(wrong, groups, curve.shares) / TIMES) ** 0.5, samples)
    ends = np.quantile(np.clip(1 - (level - _at(law, 1.0) + _at(law, TIMES) + luck), 0, 1), TAILS)
    twice = 1 - sum(float(_at(law, TIMES)[0]) for law in laws) / 2
    return Forecast(
        1 - float(errors[0, -1]), twice, float(ends[0]), float(ends[1]), *(Law(*map(float, law[0])) for law in laws)
    )


def _at(laws: np.ndarray, times: float) -> np.ndarray:
    """(B, 3) → (B,)."""
    return laws[:, 0] * times ** -laws[:, 1] + laws[:, 2]


def _variance_of_sets(wrong: np.ndarray, groups: list[np.ndarray], shares: list[float]) -> float:
    """The variance of the error among training sets of the size that there is, by that among the draws of each share.

    Draws from n images without replacement differ from all n by τ² (1 − f) / (f n), where sets of n differ by τ² / n. Of twice
    the images half are those that there are, so that their error differs from the forecast by half of τ² / n.
    """
    errors = wrong.mean(0)
    parts = [(errors[group].var(ddof=1), share) for group, share in zip(groups, shares, strict=True) if len(group) > 1]
    return float(np.mean([variance * share / (1 - share) for variance, share in parts]))


def _fit(sizes: np.ndarray, errors: np.ndarray, floor: bool) -> np.ndarray:
    """The law a·n^−b + c, with a and c of at least 0, of the least squares at these sizes, (S,); c = 0 without a floor.

    Args:
        errors: (B, S), each row of which is fitted.

    Returns:
        (B, 3), of a, b and c.
    """
    powers = sizes[None] ** -EXPONENTS[:, None]  # (b, S)
    squares = (powers**2).sum(1)
    a = errors @ powers.T / squares  # (B, b)
    c = np.zeros_like(a)
    if floor:
        mean, centred = errors.mean(1, keepdims=True), powers - powers.mean(1, keepdims=True)
        steep = np.maximum(errors @ centred.T / (centred**2).sum(1), 0)
        level = mean - steep * powers.mean(1)
        a, c = np.where(level >= 0, steep, a), np.maximum(level, 0)
    residuals = ((a[..., None] * powers + c[..., None] - errors[:, None]) ** 2).sum(2)
    best = residuals.argmin(1)[:, None]
    return np.concatenate([np.take_along_axis(a, best, 1), EXPONENTS[best], np.take_along_axis(c, best, 1)], 1)
