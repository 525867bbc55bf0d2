"""The handwritten digits as tensors: 8 × 8 pixels, three splits that no seed changes."""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

SPLITS = (1079, 359, 359)  # train, validation, test: the sizes that `train` gives the digits


@dataclass(frozen=True)
class Split:
    """Images or features (N, …) and their classes (N,)."""

    x: Tensor
    y: Tensor

    @property
    def flat(self) -> Tensor:
        """(N, D)."""
        return self.x.flatten(1)

    def __getitem__(self, chosen: Tensor | slice) -> "Split":
        """The samples at these positions, or where a mask is true."""
        return Split(self.x[chosen], self.y[chosen])

    def sample(self, count: int, seed: int) -> "Split":
        """`count` samples of each class, drawn without replacement, or all where it has fewer; 0: all."""
        if count == 0:
            return self
        order = torch.randperm(len(self.y), generator=torch.Generator().manual_seed(seed))
        return self[torch.cat([order[self.y[order] == label][:count] for label in self.y.unique()])]


@cache
def digits() -> tuple[Split, Split, Split]:
    """Train, validation and test, (N, 1, 8, 8) with zero mean and unit variance over the training split.

    Source: UCI Machine Learning Repository, Optical Recognition of Handwritten Digits, as scikit-learn ships it.
    """
    from sklearn.datasets import load_digits

    found = load_digits()
    order = torch.randperm(len(found.target), generator=torch.Generator().manual_seed(0))
    x = torch.from_numpy(found.images).float()[order, None]
    y = torch.from_numpy(found.target).long()[order]
    x = (x - x[: SPLITS[0]].mean()) / x[: SPLITS[0]].std()
    train, val, test = (Split(*pair) for pair in zip(x.split(SPLITS), y.split(SPLITS), strict=True))
    return train, val, test
