"""Train a head on features; a run and each fold of it do the same."""

from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch.utils.data import Dataset

from ajuste_fino.classifier import Classifier
from ajuste_fino.data.manifest import Manifest
from ajuste_fino.data.module import DataModule
from ajuste_fino.data.order import EpochBatchSampler
from ajuste_fino.features import FeatureSource, statistics
from ajuste_fino.head import Head, HeadShape
from ajuste_fino.phases import Phase
from ajuste_fino.runs import factories
from ajuste_fino.runs.fit import Fit


class Learner:
    """Trains heads as the configuration says; wrong values are refused when it is made.

    Raises:
        UserError: where optimizer, schedule, loss, engine, callbacks or trainer are not to be had.
    """

    def __init__(self, cfg: DictConfig, phase: Phase) -> None:
        if phase.epochs is not None:
            cfg = OmegaConf.merge(cfg, {"epochs": phase.epochs})  # type: ignore[assignment]  # schedules read it, too
        self.cfg, self.phase = cfg, phase
        self.optimizer, self.schedule = factories.learning(cfg)
        self.loss, self.engine = factories.loss(cfg), factories.engine(cfg)
        self.fitting = Fit(cfg)

    def data_module(self, manifest: Manifest, features: FeatureSource) -> DataModule:
        """Return the batches of the training and validation splits."""
        val = manifest.split("val")
        return DataModule(
            self.training(manifest, features),
            (features.train_set(val, manifest.targets(val), 1), EpochBatchSampler(len(val), self.cfg.features.batch_size)),
            features.workers,
        )

    def training(self, manifest: Manifest, features: FeatureSource) -> tuple[Dataset[Any], EpochBatchSampler]:
        """Return the training set, and the order of its batches."""
        cfg, samples, views = self.cfg, manifest.split("train"), self.cfg.features.views
        dataset = features.train_set(samples, manifest.targets(samples), views)
        return dataset, EpochBatchSampler(len(samples), cfg.batch_size, cfg.seed, views)

    def fit(self, manifest: Manifest, features: FeatureSource, module: DataModule, out: Path) -> tuple[Head, int]:
        """Train a head; return it and the epoch that was kept, from 1."""
        cfg, classes = self.cfg, len(manifest.labels)
        torch.manual_seed(cfg.seed)  # whatever the backbone drew before, the head starts from the seed
        head = Head(HeadShape(features.num_features, classes, **factories.head_shape(cfg.head)))
        if not (self.phase.trains_backbone and cfg.backbone.weights == "none"):  # features of random weights will change
            head.standardise.set(*statistics(features.features_of(manifest.split("train"))))
        classifier = Classifier(
            head,
            classes,
            self.optimizer,
            self.schedule,
            features.body,
            loss=self.loss,
            engine=self.engine,
            lr=self.phase.lr,
            backbone_lr_mult=self.phase.backbone_lr_mult,
        )
        return head, self.fitting(classifier, module, out)
