"""From features to a trained head: the same for a run and for each fold of it."""

from pathlib import Path

import torch
from omegaconf import DictConfig

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
        cfg, train, val = self.cfg, table.of("train"), table.of("val")
        views = cfg.features.views
        return DataModule(
            (features.training(train, table.targets(train), views), Order(len(train), cfg.batch_size, cfg.seed, views)),
            (features.training(val, table.targets(val), 1), Order(len(val), cfg.features.batch_size)),
            features.work.processes if isinstance(features, Live) else 0,
        )

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
