"""Features of several views of each image, for test-time augmentation; computed each time, since they are not cached."""

from collections.abc import Iterator, Sequence

from PIL import Image

from ajuste_fino.data.content import Content
from ajuste_fino.data.loading import ImageDataset, LoaderConfig
from ajuste_fino.data.multiview import MultiView
from ajuste_fino.data.order import SubsetBatchSampler
from ajuste_fino.features.extractor import Extractor
from ajuste_fino.features.graph import CompiledExtractor
from ajuste_fino.features.images import features_of
from ajuste_fino.features.source import FeatureBatch


def serve_views(
    images: Sequence[Content | Image.Image], views: MultiView, extractor: Extractor, loading: LoaderConfig, engine: str
) -> Iterator[FeatureBatch]:
    """Features (n · K, D) of the K views of the images at n positions, those of an image together; it is decoded once."""
    total, count = len(images), views.count
    order = SubsetBatchSampler(
        [view * total + image for image in range(total) for view in range(count)],
        max(loading.batch_size // count, 1) * count,
    )
    computing = CompiledExtractor(extractor) if engine == "openvino" else extractor
    for batch in features_of(ImageDataset(images, views, loading.threads), order, computing, loading):
        bad = {position % total: one for position, one in batch.bad.items()}
        yield FeatureBatch(batch.features, batch.positions[::count], bad)
