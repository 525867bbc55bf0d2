"""`data.folds`: cross-validate the head; on cached features that takes seconds."""

import logging
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor

from ajuste_fino.data.folds import folds
from ajuste_fino.data.manifest import Manifest
from ajuste_fino.features import FeatureSource
from ajuste_fino.head import probabilities
from ajuste_fino.phases import Phases
from ajuste_fino.plan import Plan
from ajuste_fino.runs import factories
from ajuste_fino.runs.console import log
from ajuste_fino.runs.factories import require_cached_head
from ajuste_fino.runs.learner import Learner
from ajuste_fino.scores import metrics, wilson


def require_possible(cfg: DictConfig, phases: Phases) -> None:
    """Refuse to cross-validate a run that trains on images."""
    if cfg.data.folds is not None:
        require_cached_head("data.folds", cfg, phases)


def possible(cfg: DictConfig, manifest: Manifest) -> int:
    """The number of images that `data.folds` would judge the head on; 0 where it was given or cannot be."""
    if cfg.data.folds is not None or cfg.features.mode != "cached" or factories.phases(cfg).trains_backbone:
        return 0
    return len(manifest.split("train") + manifest.split("val"))


def cross_validate(learner: Learner, manifest: Manifest, plan: Plan, features: FeatureSource, out: Path) -> dict[str, Any]:
    """Accuracy and macro F1 of each fold of train and validation, their means and standard deviations.

    The test split stays aside. In each fold a part of the others chooses the epoch, so that no image is judged by a
    head that it helped to choose.
    """
    cfg = learner.cfg
    if cfg.data.folds is None:
        return {}
    found: dict[str, Any] = {}
    right, parts = 0, folds(manifest.split("train") + manifest.split("val"), cfg.data.folds, cfg.data.val, cfg.seed)
    for number, samples in enumerate(parts, start=1):
        log.info(f"Fold {number} of {cfg.data.folds} …")
        one = replace(manifest, samples=samples)
        predicted = _predict(learner, one, plan, features, out / "folds" / str(number))
        true = torch.tensor(one.targets(one.split("test")))
        scores = metrics(len(one.labels))(predicted, true)
        found |= {f"folds/{number}/{name}": float(value) for name, value in scores.items()}
        right += int((predicted.argmax(1) == true).sum())
    return found | _summary(found, cfg.data.folds, right, len(manifest.split("train") + manifest.split("val")))


def _predict(learner: Learner, fold: Manifest, plan: Plan, features: FeatureSource, out: Path) -> Tensor:
    """Train a head on a fold; return its probabilities for the images that were set aside, (N, C)."""
    log.setLevel(logging.INFO)  # the epochs of all folds would be hundreds of lines
    try:
        fitted = learner.fit(fold, plan, features, learner.data_module(fold, [features]), out)
    finally:
        log.setLevel(logging.DEBUG)
    if fitted.stopped is not None:
        raise fitted.stopped
    return probabilities(fitted.head, features.features_of(fold.split("test")))


def _summary(found: dict[str, Any], count: int, right: int, images: int) -> dict[str, Any]:
    low, high = wilson(right, images)
    summary: dict[str, Any] = {"folds": count, "folds/images": images, "folds/accuracy_low": low, "folds/accuracy_high": high}
    for name in ("accuracy", "macro_f1"):
        values = [found[f"folds/{number}/{name}"] for number in range(1, count + 1)]
        summary |= {f"folds/{name}": mean(values), f"folds/{name}_std": stdev(values)}
    each = ", ".join(f"{found[f'folds/{number}/accuracy']:.3f}" for number in range(1, count + 1))
    what = f"{right} of {images} images right, 95 % interval {low:.3f} to {high:.3f}"
    log.info(f"{count} folds: {what}, each judged by a head that never saw it")
    log.info(
        f"Mean accuracy {summary['folds/accuracy']:.4f} ± {summary['folds/accuracy_std']:.4f} ({each}), "
        f"macro F1 {summary['folds/macro_f1']:.4f} ± {summary['folds/macro_f1_std']:.4f}; ± is one standard deviation"
    )
    return summary
