"""Compute features from images whenever they are needed."""

from collections.abc import Generator, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from ajuste_fino.data.decoding import Decoded
from ajuste_fino.data.loading import LabelledImageDataset, LoaderConfig
from ajuste_fino.data.order import EpochBatchSampler
from ajuste_fino.data.pixels import KeptPixels
from ajuste_fino.data.sample import Sample
from ajuste_fino.data.transforms import Augment, Preprocessing
from ajuste_fino.features.extractor import Extractor
from ajuste_fino.features.images import ImagePass
from ajuste_fino.features.source import refuse_changed


class LiveFeatures:
    """A `FeatureSource` that passes images through the whole backbone whenever they are needed.

    Args:
        keeps_pixels: whether the images of training and validation are decoded once, and their views made of what was kept.
    """

    pixel_config: tuple[Preprocessing, LoaderConfig] | None = None
    stop_note: str | None = None

    def __init__(
        self,
        extractor: Extractor,
        augmentation: Augment,
        loading: LoaderConfig,
        num_features: int | None = None,
        keeps_pixels: bool = False,
    ) -> None:
        self.images = ImagePass(extractor, augmentation, loading)
        self.body: nn.Module | None = extractor
        self.loading = loading
        self.num_features: int = num_features or extractor.backbone.shape[0]
        self.workers = loading.processes
        self.keeps_pixels, self.kept = keeps_pixels, dict[tuple[str, int, bool], KeptPixels]()

    def example(self) -> Tensor:
        size = self.images.extractor.preprocessing.size
        return torch.zeros((1, 3, size, size), dtype=torch.uint8)

    def missing(self, contents: Sequence[str]) -> set[str]:
        return set()

    def extract(self, stream: Generator[Decoded, None, None]) -> Generator[Decoded, None, None]:
        return stream

    def train_set(self, samples: Sequence[Sample], targets: Sequence[int], views: int) -> Dataset[tuple[Tensor, Tensor]]:
        return LabelledImageDataset(self.images.images(samples, self._kept(samples, views == 1)), targets)

    def _kept(self, samples: Sequence[Sample], plain: bool) -> KeptPixels | None:
        """The decoded images of samples, where they are to be kept; those of one split are decoded once."""
        if not self.keeps_pixels or not samples:
            return None
        key = (samples[0].file, len(samples), plain)
        if key not in self.kept:
            self.kept[key] = self.images.keep_pixels(samples, plain)
        return self.kept[key]

    def close(self) -> None:
        """Remove what was kept for the run."""
        while self.kept:
            self.kept.popitem()[1].close()

    def features_of(self, samples: Sequence[Sample]) -> Iterator[Tensor]:
        for batch in self.images.features(samples, EpochBatchSampler(len(samples), self.loading.batch_size)):
            refuse_changed(batch)
            yield batch.features

    def metrics(self) -> dict[str, object]:
        return {"cache/hit": False}

    def warnings(self) -> list[str]:
        return []
