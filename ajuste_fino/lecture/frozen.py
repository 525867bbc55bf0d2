"""The digits through the frozen, embedded backbone: the pipeline's own features, from its cache."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from ajuste_fino.backbone import build
from ajuste_fino.data.config import DataConfig
from ajuste_fino.data.digits import digits_folder
from ajuste_fino.data.loading import LoaderConfig
from ajuste_fino.data.manifest import load_manifest
from ajuste_fino.data.transforms import Augmentation, Preprocessing
from ajuste_fino.features import CachedFeatures, Extractor
from ajuste_fino.freezing import Frozen
from ajuste_fino.head import Standardise
from ajuste_fino.lecture.data import Split


@dataclass(frozen=True)
class Features:
    """The three splits; the test split judges once, at the end."""

    train: Split
    val: Split
    test: Split

    @property
    def num_features(self) -> int:
        return self.train.x.shape[1]


def standardise(x: Tensor) -> Standardise:
    """The layer that gives the features x (N, D) zero mean and unit variance, and other features the same treatment."""
    layer = Standardise(x.shape[1])
    layer.set(x.mean(0), x.std(0))
    return layer


def quiet(items: Iterable, _total: int, _what: str) -> Iterator:
    """No progress is shown: a second of work."""
    return iter(items)


@cache
def embedded(layer: str | None = None, pool: int | None = None) -> Features:
    """The digits after block `tap`, by default the backbone's own choice; computed once, then read from the cache."""
    backbone, _ = build("embedded", layer=layer, pool=pool)
    extractor = Extractor(Frozen(backbone), Preprocessing(**backbone.preprocessing), "fp32")
    cores = os.cpu_count() or 1
    cached = CachedFeatures(extractor, Augmentation(1.0, 0.0, 0.0), LoaderConfig(torch.device("cpu"), 64, cores, quiet))
    manifest = load_manifest(DataConfig(digits_folder()), cores, quiet)
    parts = (manifest.split(split) for split in ("train", "val", "test"))
    return Features(*(Split(torch.cat(list(cached.features_of(part))), torch.tensor(manifest.targets(part))) for part in parts))
