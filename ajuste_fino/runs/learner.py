"""Train a head on features; a run and each fold of it do the same."""

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor
from torch.utils.data import Dataset

from ajuste_fino import imbalance
from ajuste_fino.callbacks.deadline import Deadline
from ajuste_fino.classifier import Classifier, Goal
from ajuste_fino.data.manifest import Manifest
from ajuste_fino.data.module import DataModule
from ajuste_fino.data.order import BalancedBatchSampler, EpochBatchSampler
from ajuste_fino.ensemble import Ensemble
from ajuste_fino.errors import UserError
from ajuste_fino.features import FeatureSource, statistics
from ajuste_fino.head import Head, HeadShape, bounded
from ajuste_fino.losses import losses
from ajuste_fino.mixing import Mix
from ajuste_fino.phases import Phases
from ajuste_fino.plan import Plan
from ajuste_fino.runs import factories, logistic
from ajuste_fino.runs.fit import Fit, Kept
from ajuste_fino.runs.resume import Resumed
from ajuste_fino.runs.stages import Stages

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

    def __init__(self, cfg: DictConfig, phases: Phases, deadline: Deadline | None = None) -> None:
        self.cfg, self.phases = cfg, phases
        parts = [factories.learning(OmegaConf.merge(cfg, {"epochs": one})) for one in phases.lengths]  # type: ignore[arg-type]
        self.optimizer, self.schedules = parts[0][0], [schedule for _, schedule in parts]
        self.loss, self.engine = factories.loss(cfg), factories.engine(cfg)
        self.fitting = Fit(cfg, phases.epochs, factories.monitor(cfg, phases), deadline)

    def plan(self, stages: Stages) -> Plan:
        """Return what each phase trains."""
        blocks = stages.backbone.trained_blocks(self.phases[-1].train_from)
        keys = self.cfg.phases
        return Plan(
            self.phases,
            [stage.source.body for stage in stages.stages],
            blocks,
            stages.counts,
            self.optimizer,
            self.schedules,
            float(keys.get("lr_decay", 1.0)),  # a group of the user's own may be older
            keys.get("batchnorm", "frozen") == "frozen",
            [stage.frozen for stage in stages.stages],
        )

    def require_batches(self, sources: Sequence[FeatureSource]) -> None:
        """Refuse batches of one image where what is trained cannot take them, before any work is done.

        Raises:
            UserError: where a BatchNorm would see a single value of each channel, of which there is no variance.
        """
        if self.cfg.batch_size != 1 or self.cfg.phases.get("batchnorm", "frozen") == "frozen":
            return
        for source in sources:
            try:
                with torch.no_grad():
                    _ = source.body and deepcopy(source.body).train()(source.example())
            except ValueError as error:
                rule = "must be at least 2, since BatchNorm has no variance of one image"
                raise UserError("batch_size", rule, got=1, fix="Pass batch_size=2 or more.") from error

    def data_module(self, manifest: Manifest, sources: Sequence[FeatureSource]) -> DataModule:
        """Return the batches of the training and validation splits, for each phase."""
        val, size = manifest.split("val"), self.cfg.features.batch_size
        if not self.phases.trains_backbone and all(source.body is None for source in sources):
            size = max(size, ROWS)
        pairs = list(zip(sources, self.phases, strict=True))
        return DataModule(
            [self.training(manifest, source, phase.views or 1) for source, phase in pairs],
            [(source.train_set(val, manifest.targets(val), 1), EpochBatchSampler(len(val), size)) for source, _ in pairs],
            max(source.workers for source in sources),
            [sample.file for sample in manifest.split("train")],
            lambda epoch: self.phases.at(epoch).phase,
        )

    def training(self, manifest: Manifest, features: FeatureSource, views: int) -> tuple[Dataset[Any], EpochBatchSampler]:
        """Return the training set, and the order of its batches."""
        cfg, samples = self.cfg, manifest.split("train")
        targets = manifest.targets(samples)
        dataset = features.train_set(samples, targets, views)
        if cfg.imbalance == "sampler":
            return dataset, BalancedBatchSampler(targets, self.batch_size(len(samples)), cfg.seed, views)
        return dataset, EpochBatchSampler(len(samples), self.batch_size(len(samples)), cfg.seed, views)

    def batch_size(self, images: int) -> int:
        """Return how many images a step has; a head on few of them would make too few, `scripts/bench_head.py`."""
        few = images < FEW and not self.phases.trains_backbone
        return int(self.cfg.batch_size or (BATCH // 2 if few or len(self.phases) > 1 else BATCH))

    def prior(self, manifest: Manifest) -> Tensor:
        """(C,): how frequent each class is among the training images."""
        return imbalance.shares(manifest.targets(manifest.split("train")), len(manifest.labels))

    def class_weights(self, manifest: Manifest) -> Tensor | None:
        """(C,), where every class is to count the same."""
        if self.cfg.imbalance == "none":
            return None
        return imbalance.weights(manifest.targets(manifest.split("train")), len(manifest.labels))

    def _goals(self, manifest: Manifest) -> list[Goal]:
        """Return the losses of each phase, and how it mixes images."""
        weights, classes, balanced = self.class_weights(manifest), len(manifest.labels), self.cfg.imbalance == "sampler"
        return [
            Goal(*losses(self.loss, weights, phase.label_smoothing, balanced), Mix(classes, phase.mixup, phase.cutmix))
            for phase in self.phases
        ]

    def fit(
        self,
        manifest: Manifest,
        plan: Plan,
        features: FeatureSource,
        module: DataModule,
        out: Path,
        resumed: Resumed | None = None,
    ) -> Fitted:
        """Train a head, and what the plan trains with it; load the best epoch, also where training was stopped after it.

        Where `head.C` is given, fit it as logistic regression instead.

        Args:
            features: of the first phase, by whose statistics the head standardises.
            resumed: the checkpoint to go on from.
        """
        if candidates := logistic.strengths(self.cfg):
            head, weights = self._head(manifest, features), self.class_weights(manifest)
            return Fitted(head, logistic.fit(head, module, candidates, self._goals(manifest)[0].val_loss, weights, out))
        classifier = self.classifier(manifest, plan, features)
        return Fitted(classifier.head, *self.fitting(classifier, module, out, resumed))

    def classifier(self, manifest: Manifest, plan: Plan, features: FeatureSource) -> Classifier:
        """Return what is trained, with a new head; `features` are those of the first phase."""
        head = self._head(manifest, features)
        head.set_prior(self.prior(manifest))
        return Classifier(head, len(manifest.labels), plan, self._goals(manifest), self.engine, self.cfg.seed)

    def _head(self, manifest: Manifest, features: FeatureSource) -> Head:
        """Return a head that standardises by the statistics of the training images."""
        cfg = self.cfg
        torch.manual_seed(cfg.seed)  # whatever the backbone drew before, the head starts from the seed
        head = Head(HeadShape(features.num_features, len(manifest.labels), **factories.head_shape(cfg.head)))
        if not (self.phases[0].trains_backbone and cfg.backbone.weights == "none"):  # features of random weights will change
            mean, std = statistics(features.features_of(manifest.split("train")))
            head.standardise.set(mean, bounded(std))
        return head
