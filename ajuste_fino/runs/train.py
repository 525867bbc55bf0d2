"""`train`: conf → data → backbone → features → head → classifier → bundle → report, top to bottom."""

from math import inf
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from ajuste_fino import bundle
from ajuste_fino.backbone import Backbone
from ajuste_fino.classifier import probabilities
from ajuste_fino.data.prepare import Table, prepare
from ajuste_fino.data.split import write_split
from ajuste_fino.data.transforms import Preprocessing
from ajuste_fino.errors import UserError
from ajuste_fino.features import Cached, Extractor, Live, Work, resolve_precision
from ajuste_fino.files import read_csv, write_json, write_text
from ajuste_fino.freezing import Frozen
from ajuste_fino.head import HeadShape
from ajuste_fino.predict import device
from ajuste_fino.report.plots import confusion, learning_curves
from ajuste_fino.runs import bagging, folds, parts, source
from ajuste_fino.runs.clock import Clock
from ajuste_fino.runs.configuration import needed, numbers
from ajuste_fino.runs.console import log, progress, start_log, workers
from ajuste_fino.runs.learner import Learner
from ajuste_fino.runs.run_folder import claim, empty
from ajuste_fino.scores import read_predictions, score, write_predictions

Figures = dict[str, Any]
RULES = {
    "epochs": (int, 1, inf),
    "patience": (int, 1, inf),
    "batch_size": (int, 1, inf),
    "features.batch_size": (int, 1, inf),
    "features.views": (int, 1, 10**6),
    "head.dropout": (float, 0, 0.999),
    "head.hidden": (int, 0, 10**6),
    "head.hidden_dropout": (float, 0, 0.999),
    **source.RULES,
}
OPTIONAL = {"features.pool": (int, 1, 4), "ensemble": (int, 2, 10_000), **source.OPTIONAL}  # null, or these


def train(cfg: DictConfig, out: Path, judged: bool = True) -> Figures:
    """Train a head on a backbone, frozen or learning with it; write the run folder `out`, return the figures of `metrics.json`.

    Args:
        judged: by the test split as well; a search leaves it aside until it has chosen.

    Raises:
        UserError: for a mistake in the configuration, the folder or the weights, before anything is written.
        AjusteFinoError: where the loss is not finite, or the frozen backbone changed.
    """
    clock = Clock()
    _validate(cfg, out)
    start_log()
    learner = Learner(cfg)
    work = Work(device(cfg.trainer.accelerator), cfg.features.batch_size, workers(cfg.workers), progress)
    precision, where = resolve_precision(cfg.features.precision, work.device), source.source(cfg.data)
    torch.manual_seed(cfg.seed)
    backbone, notes = parts.backbone(cfg)
    body = Frozen(backbone) if cfg.phases.name == "head" else backbone
    extractor = Extractor(body, Preprocessing(**backbone.preprocessing), precision)
    features = _features(cfg, extractor, work)

    clock.start("extract")
    table = prepare(where, cfg.seed, work.workers, progress, features if isinstance(features, Cached) else None)
    _open(out, cfg, table, [*([] if cfg.phases.name == "scratch" else notes), *features.warnings()])
    module = learner.module(table, features)
    test = features.plain(table.of("test"))
    clock.start("folds")
    figures = folds.cross_validate(learner, table, features, out)
    clock.start("fit")
    one, epoch = learner.fit(table, features, module, out)
    clock.start("ensemble")
    head, bag = bagging.bagged(learner, table, features, one, epoch)
    clock.stop()

    figures |= _proof(body) | _validation(out, epoch) | bag
    bundle.write(bundle.Bundle(backbone, head, table.labels, extractor.preprocessing, precision), out / "bundle")
    if judged and table.of("test"):
        figures |= judge(table, probabilities(head, test), out / "predictions_test.csv", out / "plots")
    learning_curves(out / "metrics.csv", out / "plots" / "learning_curves.png", epoch)
    return _close(out, figures | features.figures() | clock.figures() | {"images/skipped": len(table.skipped)})


def _proof(body: Frozen | Backbone) -> Figures:
    """What of the backbone was trained; where nothing, the proof."""
    parameters = sum(parameter.numel() for parameter in body.parameters())
    if isinstance(body, Frozen):
        return {"frozen/sha256": body.prove(), "frozen/unchanged": True, "frozen/parameters": parameters}
    return {"frozen/parameters": 0, "trained/parameters": parameters}


def _validate(cfg: DictConfig, out: Path) -> None:
    needed(cfg)
    _phases(cfg)
    numbers(cfg, RULES | {key: rule for key, rule in OPTIONAL.items() if OmegaConf.select(cfg, key) is not None})
    if cfg.features.mode not in ("cached", "live"):
        raise UserError("features.mode", "must be cached or live", got=cfg.features.mode, fix="cached is faster.")
    given = (cfg.trainer.devices, cfg.trainer.num_nodes, cfg.trainer.strategy)
    if given != (1, 1, "auto"):
        keys = "trainer.devices, num_nodes and strategy"
        raise UserError(keys, "must be 1, 1 and auto", got=given, fix="Leave them out: a run uses one device.")
    HeadShape(1, 2, **parts.shape_of(cfg.head))
    folds.possible(cfg)
    bagging.possible(cfg)
    empty(out)


def _phases(cfg: DictConfig) -> None:
    name, rate, weights = cfg.phases.name, cfg.phases.rate, cfg.backbone.weights
    numbers(cfg, {"phases.rate": (float, 0, 1000)})
    if (rate == 0) != (name == "head"):
        fix = "phases=full and phases=scratch train the backbone, phases=head does not."
        raise UserError("phases.rate", f"must {'' if name == 'head' else 'not '}be 0 for phases={name}", got=rate, fix=fix)
    if name == "full" and weights == "none":
        fix = "Pass phases=scratch, or the weights to go on from."
        raise UserError("phases=full", "goes on from trained weights", got="backbone.weights=none", fix=fix)
    if name == "scratch" and weights != "none":
        fix = "Pass backbone.weights=none, or phases=full to go on from those weights."
        raise UserError("phases=scratch", "begins from random weights", got=f"backbone.weights={weights}", fix=fix)


def _features(cfg: DictConfig, extractor: Extractor, work: Work) -> Cached | Live:
    live = Live(extractor, parts.augmentation(cfg), work)
    return Cached(live) if cfg.features.mode == "cached" and cfg.phases.name == "head" else live


def _open(out: Path, cfg: DictConfig, table: Table, notes: list[str]) -> None:
    """The run folder, from here on: its configuration, its log, its split."""
    claim(out)
    start_log(out / "log.txt")
    write_text(out / "config.yaml", OmegaConf.to_yaml(cfg, resolve=True))
    write_split(out / "split.csv", table.samples)
    for warning in notes + table.warnings:
        log.warning(warning)
    sizes = ", ".join(f"{len(table.of(split))} {split}" for split in ("train", "val", "test"))
    log.info(f"{len(table.samples)} pictures of {len(table.labels)} classes: {sizes}")


def _validation(out: Path, epoch: int) -> Figures:
    """The figures of the epoch that was kept, from the log of all."""
    row = next(r for r in read_csv(out / "metrics.csv") if r["epoch"] == str(epoch - 1) and r.get("val/loss"))
    return {"epoch": epoch, **{name: float(value) for name, value in row.items() if name.startswith("val/")}}


def judge(table: Table, chances: Tensor, predictions: Path, plots: Path) -> Figures:
    """Write the table of predictions, an image a row; the figures and the confusion matrix come from what was written."""
    samples = table.of("test")
    write_predictions(predictions, [s.file for s in samples], [s.label for s in samples], chances, table.labels)
    predicted, true = read_predictions(predictions, table.labels)
    confusion(predicted.tolist(), true.tolist(), table.labels, plots / "confusion.png")
    return {f"test/{name}": value for name, value in score(predictions, table.labels).items()}


def _close(out: Path, figures: Figures) -> Figures:
    write_json(out / "metrics.json", figures)
    if "frozen/sha256" in figures:
        what = f"{figures['frozen/parameters']:,} parameters and all buffers"
        log.info(f"The frozen backbone is unchanged: SHA-256 {figures['frozen/sha256']} of {what}")
    log.info(f"Epoch {figures['epoch']} is kept: validation accuracy {figures['val/accuracy']:.4f}")
    if "test/accuracy" in figures:
        log.info(f"Test accuracy {figures['test/accuracy']:.4f}, macro F1 {figures['test/macro_f1']:.4f}")
    bagging.told(figures)
    log.info(f"{figures['time/total_s']:.1f} s. Results: {out.absolute()}")
    start_log()
    return figures
