"""How far an image is from those that a model was trained on, by which an image of none of its classes is told.

Sources: Lee, Lee, Lee and Shin, "A Simple Unified Framework for Detecting Out-of-Distribution Samples and Adversarial
Attacks", NeurIPS 2018, section 2.1, for the distance to the nearest class mean under a shared covariance; Tipping and Bishop,
"Probabilistic Principal Component Analysis", *Journal of the Royal Statistical Society B* 61, 1999, for a covariance of few
directions and one variance for all others; Mueller and Hein, "Mahalanobis++", ICML 2025, for features of unit length; Bates,
Candès, Lei, Romano and Sesia, "Testing for Outliers with Conformal p-values", *Annals of Statistics* 51, 2023, for the
threshold.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from ajuste_fino.errors import Range

ACCEPTED = 0.95  # of the images of the known classes
DIRECTIONS = 64  # of the features, see docs/benchmarks.md
MOST = 4000  # training images that it is fitted to
LEAST = 1e-4  # of the square of a feature's length, over all directions beside those
THRESHOLD = Range(float, 0, above=True)
NAMES = ("centre", "components", "variances", "means")


@dataclass(frozen=True)
class Novelty:
    """What the distance of an image is computed from, and the distance from which on it is unknown.

    An image's features, as the head standardises them, are brought to unit length. Their distance to a class mean is that of
    Mahalanobis, under a covariance that is the classes' own in k directions and alike in all others.

    Attributes:
        centre: (D,), the mean of the training images.
        components: (k, D), orthonormal directions.
        variances: (k + 1,), within the classes along each of these, and along any other direction.
        means: (C, k), the class means less the centre, along the directions.
        threshold: the distance from which on an image is unknown.
    """

    centre: Tensor
    components: Tensor
    variances: Tensor
    means: Tensor
    threshold: float = 1.0

    @torch.inference_mode()
    def distances(self, x: Tensor) -> Tensor:
        """Standardised features (N, D) → (N,), their distances to the nearest class, in units of the threshold."""
        off = normalize(x, dim=1) - self.centre
        along, scale = off @ self.components.T, self.variances[:-1].sqrt()
        beside = (off.square().sum(1) - along.square().sum(1)).clamp(min=0)
        squares = torch.cdist(along / scale, self.means / scale).square().amin(1) + beside / self.variances[-1]
        return squares.sqrt() / self.threshold

    def accepting(self, distances: Tensor) -> "Novelty":
        """The same with the threshold at which a new image like these is accepted in 95 % of all cases or more.

        Of n distances that is the ceil(0.95 · (n + 1))-th, or the largest, where there are fewer than 19.
        """
        rank = min(ceil(ACCEPTED * (len(distances) + 1)), len(distances))
        return replace(self, threshold=self.threshold * max(float(distances.kthvalue(rank).values), 1e-6))

    def tensors(self) -> dict[str, Tensor]:
        return {name: getattr(self, name) for name in NAMES}

    def metadata(self) -> dict[str, float]:
        return {"threshold": self.threshold, "accepted": ACCEPTED}


@torch.inference_mode()
def fit(x: Tensor, targets: Tensor) -> Novelty:
    """Fit it to training images; what is drawn at random is drawn from a fixed seed.

    Args:
        x: (N, D), their standardised features, with N of 1 or more.
        targets: (N,), their classes.
    """
    off = normalize(x, dim=1)
    centre = off.mean(0)
    off -= centre
    directions = _directions(off, min(DIRECTIONS, len(off) // 4, off.shape[1] - 1))
    along = off @ directions
    _, classes, counts = targets.unique(return_inverse=True, return_counts=True)
    means = torch.zeros(len(counts), along.shape[1]).index_add_(0, classes, along) / counts[:, None]
    within = (along - means[classes]).double()
    variances, turn = torch.linalg.eigh(within.T @ within / max(len(x) - len(counts), 1))
    beside = (off.square().sum() - along.square().sum()) / len(x) / (off.shape[1] - along.shape[1])
    floor = beside.clamp(min=LEAST / off.shape[1])
    turn = turn.float()
    return Novelty(
        centre,
        (directions @ turn).T.contiguous(),
        torch.cat([variances.float().clamp(min=float(floor)), floor[None]]),
        means @ turn,
    )


def _directions(off: Tensor, count: int) -> Tensor:
    """(D, count): the first principal components of what is centred, (N, D)."""
    if not count:
        return torch.empty(off.shape[1], 0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return torch.svd_lowrank(off, q=min(count + 16, *off.shape))[2][:, :count]


def chosen(targets: Sequence[int], classes: int) -> list[int]:
    """The positions of at most 4000 training images, evenly from each class, in their order; of each class one at least."""
    each, order = max(MOST // classes, 1), torch.randperm(len(targets), generator=torch.Generator().manual_seed(0))
    taken, counts = list[int](), [0] * classes
    for position in order.tolist():
        if counts[targets[position]] < each:
            counts[targets[position]] += 1
            taken.append(position)
    return sorted(taken)


def measured(novelty: Novelty | None, head: nn.Module, batches: Iterable[Tensor], found: list[Tensor]) -> Iterator[Tensor]:
    """Hand on batches of features (n, D), and put their distances into `found`."""
    for features in batches:
        if novelty is not None:
            found.append(novelty.distances(head.standardise(features)))  # type: ignore[operator]
        yield features


def accepted(name: str, found: Sequence[Tensor]) -> dict[str, float]:
    """`NAME/accepted`: the share of a split's images whose distances are not beyond the threshold; nothing without any."""
    return {f"{name}/accepted": float((torch.cat(list(found)) <= 1).double().mean())} if found else {}


def rebuild(metadata: object, tensors: Mapping[str, Tensor], num_features: int) -> Novelty:
    """The one of a bundle, which may have been written by hand.

    Raises:
        ValueError: where its parts contradict each other.
    """
    threshold: Any = metadata.get("threshold") if isinstance(metadata, dict) else None
    if threshold not in THRESHOLD:
        raise ValueError(f"novelty.threshold must be {THRESHOLD}")
    if set(tensors) != set(NAMES):
        raise ValueError(f"the tensors of novelty must be {', '.join(NAMES)}")
    shapes = [tuple(tensors[name].shape) for name in NAMES]
    count = len(tensors["components"]) if tensors["components"].ndim else -1
    wanted = [(num_features,), (count, num_features), (count + 1,), (*tensors["means"].shape[:1], count)]
    if shapes != wanted or not len(tensors["means"]) or not bool((tensors["variances"] > 0).all()):
        raise ValueError("the tensors of novelty must suit its directions and the features, with variances above 0")
    return Novelty(**tensors, threshold=float(threshold))
