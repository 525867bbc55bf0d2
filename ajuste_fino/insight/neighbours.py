"""Which images are nearly the same, and which are like no other, by the cosines of their features."""

from typing import NamedTuple

import torch
from torch import Tensor

BLOCK = 1024  # rows that are compared with all others at a time
ALIKE = 0.93  # cosine of centred features, as for near copies across splits
NEAREST = 5  # images by which one is judged to be odd
BELIEVED = 0.5  # pairs an image beyond which features do not tell images apart


class Neighbours(NamedTuple):
    """Distance (N,), 1 − the mean cosine to the five nearest images; pairs of near duplicates, the most alike first.

    `pairs` is None where so many are alike that the features cannot tell images apart.
    """

    distance: Tensor
    pairs: list[tuple[int, int, float]] | None


def unit(features: Tensor, centre: Tensor | None = None) -> Tensor:
    """Features (N, D) less their mean, or less `centre` (D,), as rows of unit length."""
    return torch.nn.functional.normalize(features - (features.mean(0) if centre is None else centre), dim=1)


def neighbours(features: Tensor) -> Neighbours:
    """Compare all images with each other."""
    rows = unit(features)
    distances, pairs = list[Tensor](), list[tuple[int, int, float]]()
    for start in range(0, len(rows), BLOCK):
        cosines = rows[start : start + BLOCK] @ rows.T
        own = torch.arange(len(cosines))
        cosines[own, own + start] = -2.0  # an image is no neighbour of itself
        nearest = min(NEAREST, len(rows) - 1)
        distances.append(1 - cosines.topk(nearest).values.mean(1))
        if len(pairs) <= BELIEVED * len(rows):
            found = ((cosines >= ALIKE) & (own[:, None] + start < torch.arange(len(rows)))).nonzero().tolist()
            pairs += [(start + a, b, float(cosines[a, b])) for a, b in found]
    believed = len(pairs) <= BELIEVED * len(rows)
    return Neighbours(torch.cat(distances), sorted(pairs, key=lambda pair: -pair[2]) if believed else None)
