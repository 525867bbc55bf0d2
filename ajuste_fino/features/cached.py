"""Compute the outputs of the frozen trunk once for every image, and keep them on disk by content."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from ajuste_fino import ranks
from ajuste_fino.data.decoding import Decoded
from ajuste_fino.data.loading import LoaderConfig
from ajuste_fino.data.order import SubsetBatchSampler
from ajuste_fino.data.sample import Sample
from ajuste_fino.data.transforms import Augment, Preprocessing
from ajuste_fino.data.transforms import identity as identity_of_views
from ajuste_fino.errors import counted, preview
from ajuste_fino.features.cache import FOLDER
from ajuste_fino.features.engine import Engine
from ajuste_fino.features.extractor import AtPrecision, Extraction, Extractor, identity
from ajuste_fino.features.images import ImagePass
from ajuste_fino.features.ordered import in_order
from ajuste_fino.features.source import FeatureBatch, refuse_changed
from ajuste_fino.files import fingerprint, writable_cache
from ajuste_fino.places import require_space
from ajuste_fino.store import FeatureRows, FeatureStore

LARGEST = 65504.0  # number of half precision
VERSION = 2  # of what a feature is: raise it when the same key would give other numbers


class CachedFeatures:
    """A `FeatureSource` that computes the outputs of a trunk once and keeps them on disk; `misses` counts those computed.

    The key of a row is the SHA-256 of an image's content and the number of its view, so that renaming costs nothing and one
    changed pixel is another image. Everything else that decides a feature names the folder. Where a tail follows, the outputs
    are maps, kept in half precision (fp16), of the images that are trained and validated on.

    Args:
        extractor: the frozen trunk.
        tail: what is trained between the trunk and the head, if anything is.
        num_features: of the head's input.
        engine: what computes the trunk on a CPU; auto: see `Engine`.
    """

    workers: int = 0  # rows are read, not computed
    pixel_config: tuple[Preprocessing, LoaderConfig] | None
    stop_note: str | None = "The features computed so far are kept; the next run goes on from them."

    def __init__(
        self,
        extractor: Extractor,
        augmentation: Augment,
        loading: LoaderConfig,
        tail: AtPrecision | None = None,
        num_features: int | None = None,
        engine: str = "auto",
    ) -> None:
        self.images, self.loading = ImagePass(extractor, augmentation, loading), loading
        self.tail, self.body = tail, cast(nn.Module | None, tail)
        self.num_features: int = num_features or extractor.backbone.shape[0]
        self.pixel_config = (extractor.preprocessing, loading)
        self.augmentation = fingerprint(identity_of_views(augmentation))[:8]
        self.folder, self.stores = writable_cache() / FOLDER, dict[str, FeatureStore]()
        self.engine = Engine(engine if loading.device.type == "cpu" else "torch", extractor, self._store_of)
        self.misses = 0

    def _store_of(self, engine: str) -> FeatureStore:
        """The features that an engine computed."""
        if engine not in self.stores:
            extractor = self.images.extractor
            half = {} if self.tail is None else {"stored": "fp16"}
            space = {"version": VERSION, "device": self.loading.device.type, **identity(extractor, engine), **half}
            folder, dtype = self.folder / fingerprint(space)[:32], "<f2" if half else "<f4"
            self.stores[engine] = FeatureStore(folder, extractor.backbone.shape, dtype, about=space)
        return self.stores[engine]

    @property
    def store(self) -> FeatureStore:
        return self._store_of(self.engine.name or "torch")

    def example(self) -> Tensor:
        return torch.zeros((1, *self.images.extractor.backbone.shape))

    def missing(self, contents: Sequence[str]) -> set[str]:
        if self.tail is not None or ranks.count() > 1:  # which images are trained on is not known yet; see `compute_share`
            return set()
        self.engine.choose(contents)
        self.store.refresh()  # another run may have computed some meanwhile
        found = {contents[position] for position in self.store.missing(contents)}
        self.require_space(len(found))
        return found

    def require_space(self, count: int) -> None:
        """Refuse to compute more features than the disk of the cache has room for.

        Raises:
            UserError: with what is needed and what is free.
        """
        fix = "Make room, for example by ajuste-fino cache prune limit_gb=1, or set XDG_CACHE_HOME to a folder on another disk."
        require_space(self.store.folder, count * self.store.dtype.itemsize, f"the features of {counted(count, 'view')}", fix)

    def extract(self, stream: Generator[Decoded, None, None]) -> Generator[Decoded, None, None]:
        extraction: Extraction | None = None
        with self.store as store, closing(stream):
            for decoded in stream:
                if decoded.pixels is not None and len(decoded.pixels):
                    extraction = extraction or Extraction(self.engine.extractor, self.loading.device)
                    self.misses += len(decoded.contents)
                    store.add(decoded.contents, self._stored(extraction(decoded.pixels)))
                yield decoded

    def rows(self, samples: Sequence[Sample], views: int = 1) -> FeatureRows:
        """(views · N, *shape): view v of sample n is row v · N + n. What is not on disk yet is computed and put there.

        Stopping it loses at most the batch at work: the same call goes on.
        """
        keys = self._keys(samples, views)
        self.engine.choose(keys)
        self._compute_all(samples, keys, self.store.missing(keys))
        return self.store.rows(keys)

    def compute_share(self, samples: Sequence[Sample], views: int = 1) -> None:
        """Compute what is not on disk yet, each of several processes that train together a part, decided by content.

        Raises:
            Elsewhere: where another process could not.
        """
        keys = self._keys(samples, views)
        self.engine.take(ranks.from_first(lambda: self.engine.choose(keys)))
        lacking = self.store.missing(keys)
        todo = [n for n in lacking if int(keys[n][:8], 16) % ranks.count() == ranks.number()]
        ranks.together(lambda: self._compute_all(samples, keys, todo))
        self.store.refresh()  # the others' parts

    def _compute_all(self, samples: Sequence[Sample], keys: Sequence[str], todo: list[int]) -> None:
        """Compute the features of these positions and put them on disk."""
        self.require_space(len(todo))
        todo.sort(key=lambda position: position % len(samples))  # an image's views together: it is decoded once for them
        with closing(self._compute(samples, keys, todo)) as computed:
            for batch in computed:
                refuse_changed(batch)

    def _keys(self, samples: Sequence[Sample], views: int) -> list[str]:
        contents = [sample.sha256 for sample in samples]
        return contents + [f"{content}-{self.augmentation}{view:07}" for view in range(1, views) for content in contents]

    def bytes_to_come(self, samples: Sequence[Sample], views: int) -> int:
        """What the features that are not on disk yet will take there."""
        keys = self._keys(samples, views)
        self.engine.choose(keys)
        return len(self.store.missing(keys)) * self.store.dtype.itemsize

    def _compute(self, samples: Sequence[Sample], keys: Sequence[str], todo: list[int]) -> Generator[FeatureBatch, None, None]:
        """Compute the features of these positions and put them on disk, a batch at a time."""
        self.misses += len(todo)
        if todo:
            images = replace(self.images, extractor=self.engine.extractor)
            with self.store as store:
                for batch in images.features(samples, SubsetBatchSampler(todo, self.loading.batch_size)):
                    store.add([keys[position] for position in batch.positions], self._stored(batch.features))
                    yield batch

    def _stored(self, features: Tensor) -> np.ndarray:
        """As they are put on disk; what half precision cannot hold is at its limit."""
        row = self.store.dtype["row"].base
        array = features.numpy()
        return array if row == array.dtype else array.clip(-LARGEST, LARGEST).astype(row)

    def batches(self, samples: Sequence[Sample]) -> Iterator[FeatureBatch]:
        """The features of the plain views, in the samples' order, a batch at a time; what is missing is computed and kept.

        Images that cannot be decoded are named in each batch, where `features_of` raises an error.
        """
        contents = [sample.sha256 for sample in samples]

        def stored(positions: Sequence[int]) -> Tensor:
            return torch.from_numpy(self.store.rows([contents[position] for position in positions])[slice(None)])

        self.engine.choose(contents)
        with closing(self._compute(samples, contents, self.store.missing(contents))) as computed:
            yield from in_order(len(samples), self.loading.batch_size, computed, stored)

    def train_set(self, samples: Sequence[Sample], targets: Sequence[int], views: int) -> Dataset[tuple[Tensor, Tensor]]:
        return FeatureDataset(self.rows(samples, views), targets)

    def features_of(self, samples: Sequence[Sample]) -> Iterator[Tensor]:
        rows = self.rows(samples)  # computed now, if need be; read when asked for
        size = self.loading.batch_size
        batches = (torch.from_numpy(rows[slice(start, start + size)]) for start in range(0, len(rows), size))
        return batches if self.tail is None else self._through_tail(self.tail, batches)

    def _through_tail(self, tail: AtPrecision, batches: Iterator[Tensor]) -> Iterator[Tensor]:
        extraction = Extraction(tail, self.loading.device)
        yield from map(extraction, batches)

    def metrics(self) -> dict[str, object]:
        """`cache/hit` is true where not one image had to go through the backbone; a graph took `time/graph_s` to make."""
        graph = {"time/graph_s": round(self.engine.seconds, 2)} if self.engine.seconds else {}
        return {"cache/hit": self.misses == 0, "cache/misses": self.misses, "features/engine": self.engine.name, **graph}

    def warnings(self) -> list[str]:
        damaged = [path.name for name in self.engine.candidates for path in self._store_of(name).damaged]
        reason = "The feature cache has damaged files; their features are computed again"
        return [f"{reason}:\n{preview(damaged)}"] if damaged else []


class FeatureDataset(Dataset[tuple[Tensor, Tensor]]):
    """Cached features with the numbers of their labels, a batch of positions at a time: (N, *shape), (N,)."""

    def __init__(self, rows: FeatureRows, targets: Sequence[int]) -> None:
        self.rows, self.targets = rows, torch.tensor(targets)

    def __getitem__(self, positions: list[int]) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(self.rows[positions]), self.targets[torch.tensor(positions) % len(self.targets)]
