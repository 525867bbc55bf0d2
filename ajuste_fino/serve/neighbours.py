"""Which training images are most like a new one: by the angle between their features."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from ajuste_fino.data.sample import Sample
from ajuste_fino.insight.neighbours import unit

MOST = 20_000  # training images that are looked through; of more, evenly chosen ones


@dataclass(frozen=True)
class Neighbours:
    """Training images and what is known of their features.

    `rows` (N, D) are features less their `mean` (D,), of length 1: what `ajuste-fino data` calls alike is alike here.
    """

    samples: Sequence[Sample]
    rows: Tensor
    mean: Tensor

    @classmethod
    def of(cls, samples: Sequence[Sample], features: Tensor) -> "Neighbours":
        """Args: features: (N, D), of the samples in their order."""
        mean = features.mean(0)
        return cls(samples, unit(features, mean).half(), mean)

    def nearest(self, features: Tensor, count: int) -> list[tuple[Sample, float]]:
        """(D,) → the training images that are most like it and the cosine of the angle, the likest first."""
        row = unit(features[None], self.mean)[0]
        found, places = (self.rows.float() @ row).topk(min(count, len(self.samples)))
        return [(self.samples[n], cosine) for n, cosine in zip(places.tolist(), found.tolist(), strict=True)]
