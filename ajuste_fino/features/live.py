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
        keeps_pixels: whether training images are decoded once, and their varied views made of what was kept.
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
        self.keeps_pixels, self.kept = keeps_pixels, list[KeptPixels]()

    def example(self) -> Tensor:
        size = self.images.extractor.preprocessing.size
        return torch.zeros((1, 3, size, size), dtype=torch.uint8)

    def missing(self, contents: Sequence[str]) -> set[str]:
        return set()

    def extract(self, stream: Generator[Decoded, None, None]) -> Generator[Decoded, None, None]:
        return stream

    def train_set(self, samples: Sequence[Sample], targets: Sequence[int], views: int) -> Dataset[tuple[Tensor, Tensor]]:
        if self.keeps_pixels and views > 1:
            self.kept.append(self.images.keep_pixels(samples))
        return LabelledImageDataset(self.images.images(samples, self.kept[-1] if self.kept and views > 1 else None), targets)

    def close(self) -> None:
        """Remove what was kept for the run."""
        while self.kept:
            self.kept.pop().close()

    def features_of(self, samples: Sequence[Sample]) -> Iterator[Tensor]:
        for batch in self.images.features(samples, EpochBatchSampler(len(samples), self.loading.batch_size)):
            refuse_changed(batch)
            yield batch.features

    def metrics(self) -> dict[str, object]:
        return {"cache/hit": False}

    def warnings(self) -> list[str]:
        return []
