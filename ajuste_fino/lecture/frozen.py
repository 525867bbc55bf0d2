"""Images through a frozen backbone: the pipeline's own features, from its cache."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from ajuste_fino.backbone import Backbone, build
from ajuste_fino.data.config import DataConfig
from ajuste_fino.data.digits import digits_folder
from ajuste_fino.data.loading import LoaderConfig
from ajuste_fino.data.manifest import load_manifest
from ajuste_fino.data.sample import SPLITS, Sample
from ajuste_fino.data.transforms import Augmentation, Preprocessing
from ajuste_fino.features import CachedFeatures, Extractor, resolve_precision
from ajuste_fino.freezing import Frozen
from ajuste_fino.head import Standardise
from ajuste_fino.lecture.data import Split, digits
from ajuste_fino.lecture.own_images import LEAST_TESTED, OwnImages, quiet

CPU = torch.device("cpu")
CORES = os.cpu_count() or 1
KNOWS_PHOTOGRAPHS = "efficientnet_lite0"  # as `train` has it for a folder
MOST = 5_000  # images of a split, about, that are used of a user's own


@dataclass(frozen=True)
class Features:
    """The three splits; the test split judges once, at the end."""

    train: Split
    val: Split
    test: Split

    @property
    def num_features(self) -> int:
        return self.train.x.shape[1]

    @property
    def classes(self) -> int:
        return int(self.train.y.max()) + 1

    @property
    def can_be_judged(self) -> bool:
        """Whether the test images are so many that a verdict says something."""
        return len(self.test.y) >= LEAST_TESTED


def standardise(x: Tensor) -> Standardise:
    """The layer that gives the features x (N, D) zero mean and unit variance, and other features the same treatment."""
    layer = Standardise(x.shape[1])
    layer.set(x.mean(0), x.std(0))
    return layer


def standardised(found: Features) -> Features:
    """All three splits by the mean and variance of the training split."""
    layer = standardise(found.train.x)
    return Features(*(Split(layer(split.x), split.y) for split in (found.train, found.val, found.test)))


def flat(root: str | None) -> Features:
    """What a small network reads: the digits' 64 pixels or, of the images at `data.root`, standardised features."""
    if root is None:
        return Features(*(Split(split.flat, split.y) for split in digits()))
    return standardised(features(root))


def features(root: str | None) -> Features:
    """The digits through the embedded backbone; images at `data.root` through the one that `train` has for photographs.

    Raises:
        UserError: where there is no such place, or `train` would refuse what is there.
    """
    if root is None:
        return embedded()
    images = OwnImages.at(root)
    backbone, _ = build(KNOWS_PHOTOGRAPHS)
    samples = [images.of(split, MOST) for split in SPLITS]
    return _features(backbone, samples, [*map(images.targets, samples)], resolve_precision("auto", CPU, backbone))


@cache
def embedded(layer: str | None = None, pool: int | None = None) -> Features:
    """The digits after a block, by default the backbone's own choice; computed once, then read from the cache."""
    backbone, _ = build("embedded", layer=layer, pool=pool)
    manifest = load_manifest(DataConfig(digits_folder()), CORES, quiet)
    samples = [manifest.split(split) for split in SPLITS]
    return _features(backbone, samples, [torch.tensor(manifest.targets(part)) for part in samples], "fp32")


def _features(backbone: Backbone, parts: Sequence[Sequence[Sample]], targets: Sequence[Tensor], precision: str) -> Features:
    """The three splits through a backbone; what the cache lacks is computed, and kept there."""
    extractor = Extractor(Frozen(backbone), Preprocessing(**backbone.preprocessing), precision)
    cached = CachedFeatures(extractor, Augmentation(1.0, 0.0, 0.0), LoaderConfig(CPU, 64, CORES, quiet))
    rows = (torch.cat(list(cached.features_of(part))) for part in parts)
    return Features(*(Split(*pair) for pair in zip(rows, targets, strict=True)))
