"""Features for prediction: of a few images computed, of many served by the cache of the runs."""

from collections.abc import Iterator, Sequence

import torch
from PIL import Image

from ajuste_fino.console import log, note_if_stopped
from ajuste_fino.data.content import BadImage, Content
from ajuste_fino.data.hashing import hash_each
from ajuste_fino.data.loading import ImageDataset, LoaderConfig, PlainView
from ajuste_fino.data.order import EpochBatchSampler
from ajuste_fino.data.sample import Sample
from ajuste_fino.data.transforms import Augmentation
from ajuste_fino.errors import UserError
from ajuste_fino.features.cached import CachedFeatures
from ajuste_fino.features.extractor import Extractor
from ajuste_fino.features.graph import CompiledExtractor
from ajuste_fino.features.images import features_of
from ajuste_fino.features.source import FeatureBatch
from ajuste_fino.files import writable_cache

FEW = 64  # images that are computed before a large cache is opened and verified


def serve(
    images: Sequence[Content | Image.Image], extractor: Extractor, loading: LoaderConfig, engine: str = "auto"
) -> Iterator[FeatureBatch]:
    """Features of images in their order, a batch at a time.

    More than 64, and samples whose content is known, are read from the cache, or computed and kept there, unless some are in
    memory as PIL images, which have no content to be known by. So a run's images have the features that the run had.
    """
    contents = [image for image in images if not isinstance(image, Image.Image)]
    worth = len(images) > FEW or all(isinstance(image, Sample) and image.sha256 for image in images)
    if worth and len(images) == len(contents) and _can_cache():
        return _cached(contents, extractor, loading, engine)
    return _plain(images, CompiledExtractor(extractor) if engine == "openvino" else extractor, loading)


def _plain(images: Sequence[Content | Image.Image], extractor: Extractor, loading: LoaderConfig) -> Iterator[FeatureBatch]:
    plain = ImageDataset(images, PlainView(extractor.preprocessing), loading.threads)
    return features_of(plain, EpochBatchSampler(len(images), loading.batch_size), extractor, loading)


def _can_cache() -> bool:
    try:
        writable_cache()
    except UserError as error:
        return _go_on_without(error)
    return True


def _has_space(source: CachedFeatures, samples: Sequence[Sample]) -> bool:
    try:
        source.missing([sample.sha256 for sample in samples])
    except UserError as error:
        return _go_on_without(error)
    return True


def _go_on_without(error: UserError) -> bool:
    log.warning(f"{error} Until then features are computed anew each time.")
    return False


def _cached(images: Sequence[Content], extractor: Extractor, loading: LoaderConfig, engine: str) -> Iterator[FeatureBatch]:
    samples = [image if isinstance(image, Sample) else Sample(image, str(image), "") for image in images]
    known = all(sample.sha256 for sample in samples)
    hashed = samples if known else hash_each(samples, loading.workers, loading.progress)
    good = {n: one for n, one in enumerate(hashed) if isinstance(one, Sample)}
    yield FeatureBatch(torch.empty(0), [], {n: one for n, one in enumerate(hashed) if isinstance(one, BadImage)})
    place, found = list(good), list(good.values())
    source = CachedFeatures(extractor, Augmentation(), loading, engine=engine)
    with note_if_stopped(source.stop_note):
        for batch in source.batches(found) if _has_space(source, found) else _plain(found, extractor, loading):
            bad = {place[position]: one for position, one in batch.bad.items()}
            yield FeatureBatch(batch.features, [place[position] for position in batch.positions], bad)
