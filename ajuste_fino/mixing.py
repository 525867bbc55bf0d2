"""Batches mixed in pairs, images and labels alike: MixUp and CutMix.

Sources: Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018; Yun et al., "CutMix: Regularization Strategy to
Train Strong Classifiers with Localizable Features", ICCV 2019.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

CUT_FROM = 3  # px: of a shorter side than this, less than one px would be cut


@dataclass(frozen=True)
class Mix:
    """x, y, seed → x with each of a batch mixed with the one before it, and how much of each class there is in it now.

    All of a batch are mixed in the same proportion λ ~ Beta(α, α). The batch is in an order that was drawn already, so its
    neighbours are as good as any pairs. Where both are on, one of the two is drawn for each batch.

    Args:
        num_classes: C.
        mixup: α of MixUp, 0 or more; 0: off. Each value becomes λ of its own and 1 − λ of the other.
        cutmix: α of CutMix, 0 or more; 0: off. A rectangle of 1 − λ of the area comes from the other.
    """

    num_classes: int
    mixup: float = 0.0
    cutmix: float = 0.0

    def __bool__(self) -> bool:
        """Whether anything is mixed."""
        return bool(self.mixup or self.cutmix)

    def __call__(self, x: Tensor, y: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """Mix a batch; the same seed gives the same numbers, on whichever device x and y are.

        Args:
            x: (N, C, H, W) pixels, uint8 or floats in [0, 1], or maps, or (N, D) features. What is too small to be cut is
                mixed by MixUp if that is on, else not at all.
            y: (N,) classes.

        Returns:
            x in its type, but uint8 as floats in [0, 1] after MixUp; and (N, num_classes) float32, each row of the sum 1.
        """
        generator = torch.Generator().manual_seed(seed)
        truth = one_hot(y, self.num_classes).float()
        cuts = bool(self.cutmix) and x.ndim == 4 and min(x.shape[2:]) >= CUT_FROM
        if cuts and self.mixup:
            cuts = _uniform(generator) < 0.5
        if cuts:
            x, share = cut(x, beta(self.cutmix, generator), _uniform(generator), _uniform(generator))
        elif self.mixup:
            share = beta(self.mixup, generator)
            x = blended(x / 255 if x.dtype == torch.uint8 else x, share)
        else:
            return x, truth
        return x, blended(truth, share)


def blended(x: Tensor, share: float) -> Tensor:
    """(N, …): λ x_n + (1 − λ) x_{n−1}, λ being the share; never beyond the two."""
    return x.lerp(x.roll(1, 0), 1 - share)


def cut(x: Tensor, share: float, across: float, down: float) -> tuple[Tensor, float]:
    """(N, C, H, W) with a rectangle of the one before, and the share of the area that is left of its own.

    The rectangle has the sides W √(1 − λ) and H √(1 − λ), about a place at `across` W and `down` H, 0 to below 1; what of it
    would be outside is left out.
    """
    height, width = x.shape[2:]
    half = 0.5 * math.sqrt(1 - share)
    left, right = _span(int(across * width), int(half * width), width)
    top, bottom = _span(int(down * height), int(half * height), height)
    mixed = x.clone()
    mixed[..., top:bottom, left:right] = x.roll(1, 0)[..., top:bottom, left:right]
    return mixed, 1 - (right - left) * (bottom - top) / (width * height)


def _span(middle: int, half: int, side: int) -> tuple[int, int]:
    return max(middle - half, 0), min(middle + half, side)


def beta(alpha: float, generator: torch.Generator) -> float:
    """Draw a number of Beta(α, α), α > 0: ½ + ½ T / √(2α + T²), T being of Student's distribution of 2α degrees of freedom.

    torch's own takes no generator. T = √(2α (1 − p) / p) cos 2πV, p = U^(1/α), of U and V drawn evenly; √(2α / p) cancels,
    and what is left cannot overflow. Source: Bailey, "Polar Generation of Random Variates with the t-Distribution",
    Mathematics of Computation 62, 1994.
    """
    p = (1 - _uniform(generator)) ** (1 / alpha)
    t = math.sqrt(1 - p) * math.cos(2 * math.pi * _uniform(generator))
    return 0.5 + 0.5 * t / math.hypot(t, math.sqrt(p))


def _uniform(generator: torch.Generator) -> float:
    """Draw a number from 0 to below 1."""
    return float(torch.rand((), generator=generator, dtype=torch.float64))
