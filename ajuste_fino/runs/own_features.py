"""The features that a trained model's head sees: of the images of its run, or of any others."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import Tensor

from ajuste_fino.data.content import BadImage, Content, changed
from ajuste_fino.data.history import History
from ajuste_fino.data.sample import Sample
from ajuste_fino.errors import UserError
from ajuste_fino.escape import quoted
from ajuste_fino.predict import Predictor
from ajuste_fino.runs.console import progress, workers
from ajuste_fino.runs.own_images import moved_root, own_samples

SIZE = 64  # images that pass through the backbone at a time


@dataclass(frozen=True)
class Learnt:
    """The training images of a run, and its validation images behind them: samples, features (N, D) and classes (N,)."""

    samples: list[Sample]
    features: Tensor
    targets: Tensor
    train: int

    @property
    def val(self) -> int:
        return len(self.samples) - self.train


def learnt(cfg: DictConfig, predictor: Predictor) -> Learnt:
    """The images that a run learnt from, each still the one it was, and what its model makes of them.

    Raises:
        UserError: where the run has no images of its own, or some are gone or changed.
    """
    run, root = Path(cfg.run), moved_root(Path(cfg.run), cfg.data.root)
    history = History.of(run, predictor.split)
    depth, threads = predictor.preprocessing.depth, workers(cfg.workers)
    parts = [own_samples(run, history, root, name, threads, depth) for name in ("train", "val")]
    samples = [sample for part in parts for sample in part]
    unknown = sorted({sample.label for sample in samples} - set(predictor.labels))
    if unknown:
        rule, fix = "has classes that the model does not know", "Bring back the one that the run wrote."
        raise UserError(str(run / "split.csv"), rule, got=", ".join(map(quoted, unknown)), fix=fix)
    features, _, bad = features_of(samples, predictor, cfg)
    if bad:
        raise changed(next(iter(bad.values())))
    targets = torch.tensor([predictor.labels.index(sample.label) for sample in samples])
    return Learnt(samples, features, targets, len(parts[0]))


def features_of(
    images: Sequence[Content], predictor: Predictor, cfg: DictConfig
) -> tuple[Tensor, list[int], dict[int, BadImage]]:
    """Features (n, D) of the images at n positions, from the cache where it has them; by position what is no image."""
    batches = list(predictor.features(images, SIZE, workers(cfg.workers), progress))
    parts = [batch.features for batch in batches if batch.positions]
    features = torch.cat(parts) if parts else torch.empty(0, predictor.head.shape.num_features)
    bad = {position: one for batch in batches for position, one in batch.bad.items()}
    return features, [position for batch in batches for position in batch.positions], bad
