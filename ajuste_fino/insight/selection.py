"""Which images to label next: those of which a model is unsure, unlike each other and unlike what it has learnt from.

Farthest-first traversal (k-centre greedy) on features, each distance weighted by the uncertainty. Source: Sener and Savarese,
"Active Learning for Convolutional Neural Networks: A Core-Set Approach", ICLR 2018, for the traversal; Scheffer, Decomain and
Wrobel, "Active Hidden Markov Models for Information Extraction", IDA 2001, for the margin.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from ajuste_fino.insight.neighbours import BLOCK, unit


class Choice(NamedTuple):
    """An image to label: its position, its uncertainty, its distance from what was known when it was chosen, 0 to 2."""

    position: int
    uncertainty: float
    distance: float


def uncertainty(probabilities: Tensor) -> Tensor:
    """1 − how much likelier the first label is than the second, (N,), of calibrated probabilities (N, C)."""
    top = probabilities.topk(2, 1).values
    return 1 - (top[:, 0] - top[:, 1])


def select(features: Tensor, known: Tensor, unsure: Tensor, count: int) -> list[Choice]:
    """Choose images one after the other, each with the largest product of uncertainty and distance.

    The distance is 1 − the cosine to the nearest image that is known or already chosen, of features less the mean of the known.

    Args:
        features: (N, D), of the images without a label.
        known: (M, D), of the images that were learnt from; M may not be 0.
        unsure: (N,), of at least 0.
        count: how many to choose, at most N.
    """
    rows, centres = unit(features, known.mean(0)), unit(known)
    distance = torch.cat([(1 - part @ centres.T).min(1).values for part in rows.split(BLOCK)]).clamp(min=0)
    found, free = list[Choice](), torch.ones(len(rows))
    for _ in range(min(count, len(rows))):
        score = (unsure * distance + 1e-12) * free
        position = int(score.argmax())
        found.append(Choice(position, float(unsure[position]), float(distance[position])))
        free[position] = 0
        distance = torch.minimum(distance, (1 - rows @ rows[position]).clamp(min=0))
    return found
