"""What is done about classes of many images and classes of few."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

WAYS = ("none", "weights", "sampler")


def shares(targets: Sequence[int], num_classes: int) -> Tensor:
    """(C,): how frequent each class is among the training images; a class that a fold lacks counts as one image."""
    return torch.tensor(targets).bincount(minlength=num_classes).clamp(min=1) / len(targets)


def weights(targets: Sequence[int], num_classes: int) -> Tensor:
    """(C,): what an image of each class counts, so that all classes count the same; 1 at the mean over the images."""
    return 1 / (num_classes * shares(targets, num_classes))


class WeightedLoss:
    """Logits (N, C), targets → the mean over N of each image's loss times its weight.

    Targets are classes (N,), or probabilities (N, C); an image's weight is that of its class, or the mean of the weights
    under its probabilities. torch's `weight` divides by the weights of the batch instead, so that in a batch of one class they
    count for nothing; and of probabilities it weights each class's term, which is the same only where they are 0 or 1.
    """

    def __init__(self, loss: Callable[..., Tensor], weights: Tensor) -> None:
        self.loss, self.weights = loss, weights

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        weights = self.weights.to(targets.device)
        of_images = targets @ weights.to(targets.dtype) if targets.is_floating_point() else weights[targets]
        return (self.loss(logits, targets, reduction="none") * of_images).mean()
