"""Pass images through an extractor, in all their views."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from PIL import Image
from torch import Tensor

from ajuste_fino.console import log
from ajuste_fino.data.depth import bits_of, white_of
from ajuste_fino.data.loading import ImageDataset, LoaderConfig, PlainView
from ajuste_fino.data.order import EpochBatchSampler
from ajuste_fino.data.pixels import KeptPixels
from ajuste_fino.data.sample import Sample
from ajuste_fino.data.transforms import Augment, Preprocessing
from ajuste_fino.errors import counted
from ajuste_fino.features.extractor import Extraction, Extractor
from ajuste_fino.features.source import FeatureBatch


class Views(PlainView):
    """View 0 of an image is the plain one; each other is an augmentation that its content and the view's number decide."""

    def __init__(self, preprocessing: Preprocessing, augmentation: Augment, contents: Sequence[str]) -> None:
        super().__init__(preprocessing)
        self.augmentation, self.contents = augmentation, contents

    def min_size(self, view: int) -> int:
        return self.augmentation.min_size(self.preprocessing.size) if view else super().min_size(view)

    def __call__(self, image: Image.Image, index: int, view: int) -> Tensor:
        if view == 0:
            return super().__call__(image, index, view)
        key = hashlib.sha256(f"{self.contents[index]} {view}".encode()).digest()
        return self.augmentation(image, self.preprocessing.size, int.from_bytes(key[:8], "big", signed=True))


@dataclass(frozen=True)
class ImagePass:
    """Images of samples through an extractor: how views are drawn, and how many images at once."""

    extractor: Extractor
    augmentation: Augment
    loading: LoaderConfig

    def images(self, samples: Sequence[Sample], kept: KeptPixels | None = None) -> ImageDataset:
        """The images of samples, in all their views, of which those that vary may be made of decoded images that are kept."""
        views = Views(self.extractor.preprocessing, self.augmentation, [sample.sha256 for sample in samples])
        return ImageDataset(samples, views, self.loading.threads, kept=kept)

    def keep_pixels(self, samples: Sequence[Sample], plain: bool) -> KeptPixels:
        """Decode the images of samples to the size of which plain views are made, or those that vary."""
        preprocessing, threads = self.extractor.preprocessing, max(self.loading.workers, 1)
        size = preprocessing.min_size if plain else self.augmentation.min_size(preprocessing.size)
        return KeptPixels.decode(samples, size, preprocessing.depth, threads, self.loading.progress, plain)

    def features(self, samples: Sequence[Sample], order: EpochBatchSampler) -> Iterator[FeatureBatch]:
        """Features of the positions that `order` gives, with progress."""
        return features_of(self.images(samples), order, self.extractor, self.loading)


def features_of(
    images: ImageDataset, order: EpochBatchSampler, extractor: Extractor, loading: LoaderConfig
) -> Iterator[FeatureBatch]:
    """Features of images that need not be samples, of the positions that `order` gives, with progress.

    At the end it warns of images with values beyond the depth that the preprocessing reads.
    """
    extraction, beyond = Extraction(extractor, loading.device), list[float]()
    try:
        for batch in loading.progress(loading.batches(images, order), len(order), "Extracting features"):
            beyond += batch.beyond
            yield FeatureBatch(extraction(batch.pixels), batch.positions, dict(batch.bad))
    finally:
        if beyond:
            log.warning(beyond_depth(beyond, extractor.preprocessing.depth))


def beyond_depth(tops: list[float], depth: int | None) -> str:
    """What is said of images with values beyond the depth that is read."""
    said = f"{counted(len(tops), 'image')} with values above {white_of(depth)}, which are read as white"
    return f"{said}. Pass data.depth={bits_of(max(tops))} in training to read them whole."
