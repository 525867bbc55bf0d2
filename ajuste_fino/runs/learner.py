"""From features to a trained head: the same for a run and for each fold of it."""

from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from torch.utils.data import Dataset

from ajuste_fino.classifier import Classifier
from ajuste_fino.data.loading import Order
from ajuste_fino.data.module import DataModule
from ajuste_fino.data.prepare import Table
from ajuste_fino.features import Cached, Live, statistics
from ajuste_fino.head import Head, HeadShape
from ajuste_fino.runs import parts
from ajuste_fino.runs.fit import fit


class Learner:
    """What a configuration says of learning; wrong values are refused when it is made.

    Raises:
        UserError: where optimizer, schedule, loss or engine are not to be had.
    """

    def __init__(self, cfg: DictConfig) -> None:
        self.cfg = cfg
        self.optimizer, self.schedule = parts.learning(cfg)
        self.loss, self.engine = parts.loss(cfg), parts.engine(cfg)

    def module(self, table: Table, features: Cached | Live) -> DataModule:
        """The batches of train and val."""
        cfg, val = self.cfg, table.of("val")
        return DataModule(
            self.training(table, features),
            (features.training(val, table.targets(val), 1), Order(len(val), cfg.features.batch_size)),
            features.work.processes if isinstance(features, Live) else 0,
        )

    def training(self, table: Table, features: Cached | Live) -> tuple[Dataset[Any], Order]:
        """What is trained on, and in which order."""
        cfg, train, views = self.cfg, table.of("train"), self.cfg.features.views
        dataset = features.training(train, table.targets(train), views)
        return dataset, Order(len(train), cfg.batch_size, cfg.seed, views)

    def fit(self, table: Table, features: Cached | Live, module: DataModule, out: Path) -> tuple[Head, int]:
        """A head from the seed, trained; the epoch that was kept, from 1."""
        cfg, classes = self.cfg, len(table.labels)
        torch.manual_seed(cfg.seed)  # whatever the backbone drew before, the head starts from the seed
        head = Head(HeadShape(features.num_features, classes, **parts.shape_of(cfg.head)))
        if cfg.phases.name != "scratch":  # features of random weights say nothing of those to come
            head.standardise.set(*statistics(features.plain(table.of("train"))))
        classifier = Classifier(
            head,
            classes,
            self.optimizer,
            self.schedule,
            features.body,
            loss=self.loss,
            engine=self.engine,
            rate=cfg.phases.rate,
        )
        return head, fit(cfg, out, classifier, module)
