"""Which training images are most like a new one: by the angle between their features."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ajuste_fino.data.sample import Sample

MOST = 20_000  # training images that are looked through; of more, evenly chosen ones


@dataclass(frozen=True)
class Neighbours:
    """Training images and what is known of their features.

    `rows` (N, D) are features less their `mean` (D,), divided by their `scale` (D,), of length 1.
    """

    samples: Sequence[Sample]
    rows: Tensor
    mean: Tensor
    scale: Tensor

    @classmethod
    def of(cls, samples: Sequence[Sample], features: Tensor) -> "Neighbours":
        """Args: features: (N, D), of the samples in their order."""
        mean = features.mean(0)
        scale = features.std(0, correction=0).clamp(min=1e-6)
        return cls(samples, _unit((features - mean) / scale).half(), mean, scale)

    def nearest(self, features: Tensor, count: int) -> list[tuple[Sample, float]]:
        """(D,) → the training images that are most like it and the cosine of the angle, the likest first."""
        row = _unit((features - self.mean) / self.scale)
        found, places = (self.rows.float() @ row).topk(min(count, len(self.samples)))
        return [(self.samples[n], cosine) for n, cosine in zip(places.tolist(), found.tolist(), strict=True)]


def _unit(rows: Tensor) -> Tensor:
    return torch.nn.functional.normalize(rows, dim=-1)
