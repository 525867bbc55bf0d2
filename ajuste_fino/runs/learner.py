"""Train a head on features; a run and each fold of it do the same."""

from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor
from torch.utils.data import Dataset

from ajuste_fino import imbalance
from ajuste_fino.classifier import Classifier, Loss
from ajuste_fino.data.manifest import Manifest
from ajuste_fino.data.module import DataModule
from ajuste_fino.data.order import BalancedBatchSampler, EpochBatchSampler
from ajuste_fino.ensemble import Ensemble
from ajuste_fino.errors import UserError
from ajuste_fino.features import FeatureSource, statistics
from ajuste_fino.head import Head, HeadShape, bounded
from ajuste_fino.phases import Phase
from ajuste_fino.runs import factories, logistic
from ajuste_fino.runs.fit import Fit, Kept

BATCH, FEW = 64, 2000  # images in a step, and of how few a step has half as many
ROWS = 1024  # of features that validation reads at a time: nothing but the head is computed of them


class Fitted(NamedTuple):
    """A trained head, what was kept of its training, and what stopped the training before its end, if anything did."""

    head: Head | Ensemble  # bagged heads only in the place of a fitted one
    kept: Kept
    stopped: BaseException | None = None


class Learner:
    """Trains heads as the configuration says; wrong values are refused when it is made.

    Raises:
        UserError: where optimizer, schedule, loss, engine, callbacks or trainer are not accepted.
    """

    def __init__(self, cfg: DictConfig, phase: Phase) -> None:
        if phase.epochs is not None:
            cfg = OmegaConf.merge(cfg, {"epochs": phase.epochs})  # type: ignore[assignment]  # schedules read it, too
        self.cfg, self.phase = cfg, phase
        self.optimizer, self.schedule = factories.learning(cfg)
        self.loss, self.engine = factories.loss(cfg), factories.engine(cfg)
        self.fitting = Fit(cfg)

    def require_batches(self, features: FeatureSource) -> None:
        """Refuse batches of one image where what is trained cannot take them, before any work is done.

        Raises:
            UserError: where a BatchNorm would see a single value of each channel, of which there is no variance.
        """
        if self.cfg.batch_size != 1 or features.body is None:
            return
        try:
            with torch.no_grad():
                deepcopy(features.body).train()(features.example())
        except ValueError as error:
            rule = "must be at least 2, since BatchNorm has no variance of one image"
            raise UserError("batch_size", rule, got=1, fix="Pass batch_size=2 or more.") from error

    def data_module(self, manifest: Manifest, features: FeatureSource) -> DataModule:
        """Return the batches of the training and validation splits."""
        val, size = manifest.split("val"), self.cfg.features.batch_size
        if features.body is None:
            size = max(size, ROWS)
        return DataModule(
            self.training(manifest, features),
            (features.train_set(val, manifest.targets(val), 1), EpochBatchSampler(len(val), size)),
            features.workers,
            [sample.file for sample in manifest.split("train")],
        )

    def training(self, manifest: Manifest, features: FeatureSource) -> tuple[Dataset[Any], EpochBatchSampler]:
        """Return the training set, and the order of its batches."""
        cfg, samples, views = self.cfg, manifest.split("train"), self.cfg.features.views
        targets = manifest.targets(samples)
        dataset = features.train_set(samples, targets, views)
        if cfg.imbalance == "sampler":
            return dataset, BalancedBatchSampler(targets, self.batch_size(len(samples)), cfg.seed, views)
        return dataset, EpochBatchSampler(len(samples), self.batch_size(len(samples)), cfg.seed, views)

    def batch_size(self, images: int) -> int:
        """Return how many images a step has; a head on few of them would make too few steps, `scripts/bench_head.py`."""
        few = images < FEW and not self.phase.trains_backbone
        return int(self.cfg.batch_size or (BATCH // 2 if few else BATCH))

    def prior(self, manifest: Manifest) -> Tensor:
        """(C,): how frequent each class is among the training images."""
        return imbalance.shares(manifest.targets(manifest.split("train")), len(manifest.labels))

    def class_weights(self, manifest: Manifest) -> Tensor | None:
        """(C,), where every class is to count the same."""
        if self.cfg.imbalance == "none":
            return None
        return imbalance.weights(manifest.targets(manifest.split("train")), len(manifest.labels))

    def _losses(self, manifest: Manifest) -> tuple[Loss, Loss]:
        """Return the losses of training and of validation; a sampler has weighted the classes of training already."""
        weights = self.class_weights(manifest)
        weighted = self.loss if weights is None else imbalance.WeightedLoss(self.loss, weights)
        return self.loss if self.cfg.imbalance == "sampler" else weighted, weighted

    def fit(self, manifest: Manifest, features: FeatureSource, module: DataModule, out: Path) -> Fitted:
        """Train a head and load the epoch of the lowest validation loss, also where training was stopped after it.

        Where `head.C` is given, fit it as logistic regression instead.
        """
        cfg, classes = self.cfg, len(manifest.labels)
        loss, val_loss = self._losses(manifest)
        torch.manual_seed(cfg.seed)  # whatever the backbone drew before, the head starts from the seed
        head = Head(HeadShape(features.num_features, classes, **factories.head_shape(cfg.head)))
        if not (self.phase.trains_backbone and cfg.backbone.weights == "none"):  # features of random weights will change
            mean, std = statistics(features.features_of(manifest.split("train")))
            head.standardise.set(mean, bounded(std))
        if candidates := logistic.strengths(cfg):
            return Fitted(head, logistic.fit(head, module, candidates, val_loss, self.class_weights(manifest), out))
        head.set_prior(self.prior(manifest))
        classifier = Classifier(
            head,
            classes,
            self.optimizer,
            self.schedule,
            features.body,
            loss=loss,
            val_loss=val_loss,
            engine=self.engine,
            lr=self.phase.lr,
            backbone_lr_mult=self.phase.backbone_lr_mult,
        )
        return Fitted(head, *self.fitting(classifier, module, out))
