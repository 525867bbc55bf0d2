"""The handwritten digits as tensors: 8 × 8 pixels, three splits that no seed changes."""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

SPLITS = (1079, 359, 359)  # train, validation, test, as the digits of `train` have them


@dataclass(frozen=True)
class Part:
    """Images (N, 1, 8, 8) with zero mean and unit variance over the training split, and their classes (N,)."""

    x: Tensor
    y: Tensor

    @property
    def flat(self) -> Tensor:
        """(N, 64)."""
        return self.x.flatten(1)

    def few(self, count: int, seed: int) -> "Part":
        """`count` of them, drawn without replacement."""
        chosen = torch.randperm(len(self.y), generator=torch.Generator().manual_seed(seed))[:count]
        return Part(self.x[chosen], self.y[chosen])


@cache
def digits() -> tuple[Part, Part, Part]:
    """Train, validation and test.

    Source: UCI Machine Learning Repository, Optical Recognition of Handwritten Digits, as scikit-learn ships it.
    """
    from sklearn.datasets import load_digits

    found = load_digits()
    order = torch.randperm(len(found.target), generator=torch.Generator().manual_seed(0))
    x = torch.from_numpy(found.images).float()[order, None]
    y = torch.from_numpy(found.target).long()[order]
    x = (x - x[: SPLITS[0]].mean()) / x[: SPLITS[0]].std()
    parts = [Part(*pair) for pair in zip(x.split(SPLITS), y.split(SPLITS), strict=True)]
    return parts[0], parts[1], parts[2]
