"""`train`: config → scan → hash → split → decode → traps → manifest → features → head → bundle."""

from collections.abc import Generator
from math import inf
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from torch import Tensor, nn

from ajuste_fino import bundle
from ajuste_fino.backbone import Backbone
from ajuste_fino.classifier import probabilities
from ajuste_fino.data import traps
from ajuste_fino.data.config import DataConfig
from ajuste_fino.data.decoding import Decoded, decode_all
from ajuste_fino.data.inspection import Inspection, inspect_folder
from ajuste_fino.data.loading import LoaderConfig
from ajuste_fino.data.manifest import Manifest
from ajuste_fino.data.split import write_split
from ajuste_fino.data.transforms import Augmentation, Preprocessing
from ajuste_fino.errors import Range, UserError
from ajuste_fino.features import AtPrecision, CachedFeatures, Extractor, FeatureSource, LiveFeatures, resolve_precision
from ajuste_fino.files import read_csv, write_json
from ajuste_fino.freezing import Frozen
from ajuste_fino.head import HeadShape
from ajuste_fino.phases import Phase
from ajuste_fino.predict import device
from ajuste_fino.report.plots import confusion, learning_curves
from ajuste_fino.runs import bagging, factories, folds
from ajuste_fino.runs.clock import Clock
from ajuste_fino.runs.configuration import require_keys, validate_ranges
from ajuste_fino.runs.console import WORKERS, log, progress, start_log, workers
from ajuste_fino.runs.data import data_config
from ajuste_fino.runs.learner import Learner
from ajuste_fino.runs.run_folder import open_run, require_empty
from ajuste_fino.scores import read_predictions, score, write_predictions

Metrics = dict[str, Any]
RANGES = {
    "epochs": Range(int, 1),
    "patience": Range(int, 1),
    "callbacks.early_stopping.patience": Range(int, 1, optional=True),
    "batch_size": Range(int, 1),
    "workers": WORKERS,
    "features.batch_size": Range(int, 1),
    "features.views": Range(int, 1, 10**6),
    "features.pool": Range(int, 1, 4, optional=True),
    "data.image_size": Range(int, 8, 4096, optional=True),
    "data.folds": Range(int, 2, inf, optional=True),
    "ensemble": Range(int, 2, 10_000, optional=True),
    **DataConfig.RANGES,
    **Augmentation.RANGES,
    **HeadShape.RANGES,
}


def train(cfg: DictConfig, out: Path, run_test: bool = True) -> Metrics:
    """Train a head on a backbone, frozen or learning with it; write the run folder `out`, return what `metrics.json` has.

    Args:
        run_test: evaluate the test split as well; a search leaves it aside until it has chosen.

    Raises:
        UserError: for a mistake in the configuration, the folder or the weights, before anything is written.
        AjusteFinoError: where the loss is not finite, or the frozen backbone changed.
    """
    clock = Clock()
    data, phase = _validate(cfg, out)
    start_log()
    learner = Learner(cfg, phase)
    loading = LoaderConfig(device(cfg.trainer.accelerator), cfg.features.batch_size, workers(cfg.workers), progress)
    precision = resolve_precision(cfg.features.precision, loading.device)
    backbone, notes = factories.backbone(cfg)
    trunk, tail = backbone.split(phase.train_from)
    frozen = None if trunk is None else Frozen(trunk)
    features = _features(cfg, backbone, frozen, tail, precision, loading)

    clock.start("extract")
    inspection = inspect_folder(data, loading.workers, progress)
    traps.refuse(traps.findings(inspection.with_splits(), traps.STRUCTURE))
    stream = _decode(inspection, features, loading.workers)
    manifest = Manifest.of(inspection.with_decoded(features.extract(stream)).with_splits())
    _open(out, cfg, manifest, [*([] if cfg.phases.start == "random" else notes), *features.warnings()])
    module = learner.data_module(manifest, features)
    test_features = features.features_of(manifest.split("test"))
    clock.start("folds")
    metrics = folds.cross_validate(learner, manifest, features, out)
    clock.start("fit")
    head, epoch = learner.fit(manifest, features, module, out)
    clock.start("ensemble")
    final, bagged = bagging.train_ensemble(learner, manifest, features, head, epoch, loading.device)
    clock.stop()

    metrics |= frozen_metrics(frozen, tail) | _validation(out, epoch) | bagged
    if tail is not None:
        backbone.adopt(tail)
    preprocessing = Preprocessing(**backbone.preprocessing)
    bundle.write(bundle.Bundle(backbone, final, manifest.labels, preprocessing, precision), out / "bundle")
    if run_test and manifest.split("test"):
        metrics |= evaluate_split(manifest, probabilities(final, test_features), out / "predictions_test.csv", out / "plots")
    learning_curves(out / "metrics.csv", out / "plots" / "learning_curves.png", epoch)
    return _close(out, metrics | features.metrics() | clock.metrics() | {"images/skipped": len(manifest.skipped)})


def _validate(cfg: DictConfig, out: Path) -> tuple[DataConfig, Phase]:
    require_keys(cfg)
    validate_ranges(cfg, RANGES)
    if cfg.features.mode not in ("cached", "live"):
        raise UserError("features.mode", "must be cached or live", got=cfg.features.mode, fix="cached is faster.")
    (phase,) = factories.phases(cfg)
    HeadShape(1, 2, **factories.head_shape(cfg.head))
    folds.require_possible(cfg, phase)
    bagging.require_possible(cfg, phase)
    require_empty(out)
    return data_config(cfg), phase


def _decode(inspection: Inspection, features: FeatureSource, workers: int) -> Generator[Decoded, None, None]:
    """Decode every image, to pixels where its features are missing; a run that will stop gets no pixels."""
    samples, strict = inspection.samples, inspection.config.strict
    if strict and inspection.skipped:
        return decode_all(samples, workers, progress, strict)
    wanted = features.missing([sample.sha256 for sample in samples])
    return decode_all(samples, workers, progress, strict, features.pixel_config, wanted)


def _features(
    cfg: DictConfig, backbone: Backbone, frozen: Frozen | None, tail: nn.Module | None, precision: str, loading: LoaderConfig
) -> FeatureSource:
    """Cache the outputs of what is frozen, unless `features.mode=live`; else compute features from images."""
    preprocessing, augmentation = Preprocessing(**backbone.preprocessing), factories.augmentation(cfg)
    if frozen is not None and cfg.features.mode == "cached":
        extractor = Extractor(frozen, preprocessing, precision)
        after = None if tail is None else AtPrecision(tail, precision, extractor.output_dtype())
        return CachedFeatures(extractor, augmentation, loading, after, backbone.num_features)
    parts = [part for part in (frozen, tail) if part is not None]
    whole = parts[0] if len(parts) == 1 else nn.Sequential(*parts)
    return LiveFeatures(Extractor(whole, preprocessing, precision), augmentation, loading, backbone.num_features)


def frozen_metrics(frozen: Frozen | None, tail: nn.Module | None) -> Metrics:
    """Count the frozen and the trained parameters, and verify that the frozen ones have not changed."""
    metrics: Metrics = {"frozen/parameters": 0 if frozen is None else _count(frozen, trained=False)}
    if frozen is not None:
        metrics |= {"frozen/sha256": frozen.verify_frozen(), "frozen/unchanged": True}
    if tail is not None:
        metrics |= {"trained/parameters": _count(tail, trained=True)}
    return metrics


def _count(module: nn.Module, trained: bool) -> int:
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad == trained)


def _open(out: Path, cfg: DictConfig, manifest: Manifest, notes: list[str]) -> None:
    """Create the run folder and write its configuration, log and split."""
    open_run(out, cfg, notes + manifest.warnings)
    write_split(out / "split.csv", manifest.samples)
    sizes = ", ".join(f"{len(manifest.split(split))} {split}" for split in ("train", "val", "test"))
    log.info(f"{len(manifest.samples)} images of {len(manifest.labels)} classes: {sizes}")


def _validation(out: Path, epoch: int) -> Metrics:
    """Return the validation metrics of the epoch that was kept."""
    row = next(r for r in read_csv(out / "metrics.csv") if r["epoch"] == str(epoch - 1) and r.get("val/loss"))
    return {"epoch": epoch, **{name: float(value) for name, value in row.items() if name.startswith("val/")}}


def evaluate_split(manifest: Manifest, probabilities: Tensor, predictions: Path, plots: Path) -> Metrics:
    """Write the predictions of the test split, an image a row; metrics and confusion matrix come from what was written."""
    samples = manifest.split("test")
    write_predictions(predictions, [s.file for s in samples], [s.label for s in samples], probabilities, manifest.labels)
    predicted, true = read_predictions(predictions, manifest.labels)
    confusion(predicted.tolist(), true.tolist(), manifest.labels, plots / "confusion.png")
    return {f"test/{name}": value for name, value in score(predictions, manifest.labels).items()}


def _close(out: Path, metrics: Metrics) -> Metrics:
    write_json(out / "metrics.json", metrics)
    if "frozen/sha256" in metrics:
        what = f"{metrics['frozen/parameters']:,} parameters and all buffers"
        log.info(f"The frozen backbone is unchanged: SHA-256 {metrics['frozen/sha256']} of {what}")
    log.info(f"Epoch {metrics['epoch']} is kept: validation accuracy {metrics['val/accuracy']:.4f}")
    if "test/accuracy" in metrics:
        log.info(f"Test accuracy {metrics['test/accuracy']:.4f}, macro F1 {metrics['test/macro_f1']:.4f}")
    bagging.log_summary(metrics)
    log.info(f"{metrics['time/total_s']:.1f} s. Results: {out.absolute()}")
    start_log()
    return metrics
