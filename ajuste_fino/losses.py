"""The losses of training and of validation, from cross-entropy, the classes' weights and label smoothing."""

from collections.abc import Callable
from functools import partial

from torch import Tensor

from ajuste_fino.imbalance import WeightedLoss

Loss = Callable[..., Tensor]


def losses(cross_entropy: Loss, weights: Tensor | None, smoothing: float = 0.0, balanced: bool = False) -> tuple[Loss, Loss]:
    """Return the losses of training and of validation: logits (N, C), targets → their mean.

    That of training takes classes (N,) or probabilities (N, C), as of mixed images; that of validation is never smoothed.
    What a smoothed label says of the other classes changes no image's weight.

    Args:
        cross_entropy: as `torch.nn.functional.cross_entropy`, whoever's it is.
        weights: (C,), one for each class; None: all count as often as they occur.
        smoothing: the share of a label that is spread evenly over all classes, 0 to below 1. Source: Szegedy et al.,
            "Rethinking the Inception Architecture for Computer Vision", CVPR 2016, section 7.
        balanced: the order of training draws every class as often, so that there the weights are left out.
    """
    smoothed = partial(cross_entropy, label_smoothing=smoothing) if smoothing else cross_entropy
    if weights is None:
        return smoothed, cross_entropy
    return smoothed if balanced else WeightedLoss(smoothed, weights), WeightedLoss(cross_entropy, weights)
