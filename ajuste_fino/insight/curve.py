"""A learning curve: heads trained on shares of the training images, all at once, and judged on the validation images."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ajuste_fino.choose.heads import STEPS, Basis, logits
from ajuste_fino.threads import threads_for

SHARES = (0.1, 0.2, 0.4, 0.7, 1.0)  # of the training images
PRODUCTS = 4  # floating-point operations of a step for each row, singular vector, class and head
MOST = 2**26  # numbers of logits at a time: a quarter of a gigabyte
PATIENCE = 4e12  # floating-point operations of all steps, about a minute of a core's; beyond, there are fewer draws
FEWEST = 4  # draws of a share, which their spread is told from


class Curve(NamedTuple):
    """What K heads got wrong of V validation images, (V, K) of bool; the images that each saw, (K,); its share, (K,)."""

    wrong: Tensor
    images: Tensor
    share: Tensor

    @property
    def sizes(self) -> list[float]:
        """Of each share the mean number of images."""
        return [float(self.images[self.share == share].double().mean()) for share in self.shares]

    @property
    def shares(self) -> list[float]:
        return sorted(set(self.share.tolist()))


def affordable_draws(x: Basis, classes: int, wanted: int) -> int:
    """How many draws of each share may be trained: as many as wanted, or fewer where many images would take minutes."""
    one = STEPS * PRODUCTS * x.rows.numel() * classes
    return max(FEWEST, min(wanted, int(PATIENCE / one / (len(SHARES) - 1))))


def learning_curve(
    x: Basis, targets: Tensor, units: Sequence[str], classes: int, draws: int, seed: int, by_class: bool = True
) -> Curve:
    """Train heads on parts of the first images, and judge them on the rest.

    Args:
        x: of the training images, and of the validation images behind them.
        targets: (N,), their classes.
        units: of the training images alone, what each must stay together with: see `data.group.groups`.
        draws: of each share but the last, which there is one of.
        by_class: draw from each class its share; otherwise from all images, as whole groups need it.
    """
    generator = torch.Generator().manual_seed(seed)
    shares = [share for share in SHARES[:-1] for _ in range(draws)]
    seen = torch.zeros(len(targets), len(shares) + 1, dtype=torch.bool)
    seen[: len(units), -1] = True
    pools = _pools(targets[: len(units)].tolist(), units, by_class)
    for number, share in enumerate(shares):
        seen[[position for pool in pools for position in _part(pool, share, generator)], number] = True
    with threads_for(PRODUCTS * x.rows.numel() * classes * seen.shape[1]):
        wrong = torch.cat([_wrong(x, targets, part, classes, len(units)) for part in _parts(seen, classes)], 1)
    return Curve(wrong, seen.sum(0), torch.tensor([*shares, 1.0], dtype=torch.float64))


def _wrong(x: Basis, targets: Tensor, seen: Tensor, classes: int, count: int) -> Tensor:
    return logits(x, targets, seen, classes)[count:].argmax(2) != targets[count:, None]


def _parts(seen: Tensor, classes: int) -> Iterator[Tensor]:
    """The columns, as many at a time as memory should hold."""
    yield from seen.split(max(1, MOST // (len(seen) * classes)), 1)


def _pools(targets: Sequence[int], units: Sequence[str], by_class: bool) -> list[list[list[int]]]:
    """Of each class, or of all images together, the positions that are drawn as one."""
    found: dict[int, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for position, (target, unit) in enumerate(zip(targets, units, strict=True)):
        found[target if by_class else 0][unit].append(position)
    return [list(pool.values()) for pool in found.values()]


def _part(pool: list[list[int]], share: float, generator: torch.Generator) -> Iterator[int]:
    """Draw a share of a pool, at least one; what a share is more than a whole number is left to chance."""
    count = max(1, int(len(pool) * share + float(torch.rand(1, generator=generator))))
    for number in torch.randperm(len(pool), generator=generator)[:count].tolist():
        yield from pool[number]
