"""Temperature scaling: one number by which logits are divided, so that probabilities are as often right as they say.

Source: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, section 4.2.
"""

from collections.abc import Iterable
from math import exp, log

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot
from torchmetrics.functional.classification import multiclass_calibration_error

from ajuste_fino.errors import Diverged

LOWEST, HIGHEST = 0.05, 20.0  # temperatures
HALVINGS = 40  # of that interval of log T, after which it is 5e-12 wide


@torch.inference_mode()
def fit_temperature(logits: Tensor, targets: Tensor) -> float:
    """The temperature T > 0 at which softmax(logits / T) has the lowest cross-entropy; the same input gives the same T.

    The cross-entropy is convex in 1/T, so its slope has one zero at most, which is found by halving, in double precision;
    T lies between 0.05 and 20. Where no prediction is wrong, the cross-entropy falls for ever as T does, and nothing says how
    sure is sure enough: then one image in N + 2 counts as wrong, by Laplace's rule of succession.

    Args:
        logits: (N, C).
        targets: (N,), the true classes.

    Returns:
        T; 1 where every T is as good: no image, one class, or logits that are all equal.

    Raises:
        Diverged: where a logit is not finite.
    """
    if not bool(logits.isfinite().all()):
        raise Diverged("The logits of the validation images are not finite. Pass a smaller optimizer.lr.")
    if logits.shape[0] == 0 or logits.shape[1] == 1 or bool((logits == logits[:, :1]).all()):
        return 1.0
    z = logits.double()
    z = z - z.mean(1, keepdim=True)
    wanted = (z * _shares(z, targets)).sum(1).mean()
    low, high = log(LOWEST), log(HIGHEST)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        slope = ((z / exp(middle)).softmax(1) * z).sum(1).mean() - wanted  # of the cross-entropy along 1/T
        low, high = (middle, high) if slope > 0 else (low, middle)
    return exp((low + high) / 2)


def _shares(z: Tensor, targets: Tensor) -> Tensor:
    """(N, C): how much of each image counts for each class."""
    count, classes = z.shape
    shares = one_hot(targets, classes).double()
    if bool((z.argmax(1) != targets).any()):
        return shares
    wrong = 1 / (count + 2)
    return shares * (1 - wrong) + (1 - shares) * wrong / (classes - 1)


def ece(probabilities: Tensor, targets: Tensor, bins: int = 15) -> float:
    """The expected calibration error: how far the mean probability of a label is from how often it is right.

    Images are put into `bins` by the probability of their label; the distances of the bins count by their images.

    Args:
        probabilities: (N, C), with N of 1 or more.
        targets: (N,), the true classes.
    """
    if probabilities.shape[1] == 1:
        return float((1 - probabilities).abs().mean())
    return float(multiclass_calibration_error(probabilities.clamp(0, 1), targets, probabilities.shape[1], bins))


class Reliability:
    """The expected calibration error of probabilities (n, C) that come a few at a time; `ece` says what it is."""

    def __init__(self, bins: int = 15) -> None:
        self.edges = torch.linspace(0, 1, bins + 1)
        self.sums = torch.zeros(bins, 2, dtype=torch.float64)  # of probability and of what is right
        self.count = 0

    def update(self, probabilities: Tensor, targets: Tensor) -> None:
        top, label = probabilities.clamp(0, 1).max(1)
        bins = (torch.bucketize(top, self.edges, right=True) - 1).clamp(max=len(self.sums) - 1)
        self.sums.index_add_(0, bins, torch.stack([top.double(), (label == targets).double()], 1))
        self.count += len(targets)

    def compute(self) -> float:
        return float((self.sums[:, 0] - self.sums[:, 1]).abs().sum() / self.count)


@torch.inference_mode()
def calibrate(head: nn.Module, batches: Iterable[Tensor], targets: Tensor) -> tuple[float, dict[str, float]]:
    """The temperature of a head or an ensemble, and what it does, as the metrics of a run.

    Args:
        head: features (n, D) → logits (n, C); of an ensemble the logarithm of the members' mean probability, so that it is
            the mean that is scaled.
        batches: the features of the validation images, a batch at a time.
        targets: (N,), their classes.

    Raises:
        Diverged: where a logit is not finite.
    """
    head.cpu().eval()
    found = [head(features) for features in batches]
    if not found or not len(targets):
        return 1.0, {"calibration/temperature": 1.0}
    logits = torch.cat(found)
    temperature = fit_temperature(logits, targets)
    before, after = (ece((logits / t).softmax(1), targets) for t in (1.0, temperature))
    return temperature, {"calibration/temperature": temperature, "val/ece_before": before, "val/ece": after}
