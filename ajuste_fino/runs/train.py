"""`train`: config → scan → hash → split → decode → traps → manifest → features → head → bundle."""

from collections.abc import Generator, Iterable, Iterator
from math import inf
from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from ajuste_fino import bundle, imbalance
from ajuste_fino.calibration import calibrate
from ajuste_fino.classifier import probabilities
from ajuste_fino.console import log, note_if_stopped
from ajuste_fino.data import traps
from ajuste_fino.data.config import DataConfig
from ajuste_fino.data.decoding import Decoded, decode_all
from ajuste_fino.data.inspection import Inspection, inspect_folder
from ajuste_fino.data.loading import LoaderConfig
from ajuste_fino.data.manifest import Manifest
from ajuste_fino.data.module import DataModule
from ajuste_fino.data.split import write_split
from ajuste_fino.data.transforms import Augmentation
from ajuste_fino.errors import Range, UserError
from ajuste_fino.features import FeatureSource, resolve_precision
from ajuste_fino.files import sha256, write_json
from ajuste_fino.head import HeadShape
from ajuste_fino.memory import tell_when_full
from ajuste_fino.plan import Plan
from ajuste_fino.predict import device
from ajuste_fino.report.plots import learning_curves
from ajuste_fino.runs import bagging, factories, folds, logistic, resume, unchanged
from ajuste_fino.runs.clock import Clock
from ajuste_fino.runs.configuration import require_keys, validate_ranges
from ajuste_fino.runs.console import WORKERS, progress, run_log, workers
from ajuste_fino.runs.data import data_config
from ajuste_fino.runs.evaluation import Metrics, evaluate_split, log_evaluation, log_limits
from ajuste_fino.runs.fit import Kept, best_of
from ajuste_fino.runs.introduction import introduce_backbone
from ajuste_fino.runs.kinds import number_ranges
from ajuste_fino.runs.learner import Fitted, Learner
from ajuste_fino.runs.lock import lock, own_folder
from ajuste_fino.runs.run_folder import open_run, require_empty
from ajuste_fino.runs.stages import Stages
from ajuste_fino.scores import wilson

RANGES = {
    "epochs": Range(int, 1),
    "patience": Range(int, 1),
    "callbacks.early_stopping.patience": Range(int, 1, optional=True),
    "batch_size": Range(int, 1, inf, optional=True),
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


@run_log()
@own_folder()
def train(cfg: DictConfig, out: Path, run_test: bool = True) -> Metrics:
    """Train a head on a backbone, frozen or learning with it; write the run folder `out`, return what `metrics.json` has.

    Stopped by Ctrl-C or SIGTERM after an epoch was kept, it writes the bundle of that epoch first.

    Args:
        out: where it is named by the time and taken, another name is found; `cfg.out` has it afterwards.
        run_test: evaluate the test split, or the validation split where there is none; a search does so for its best run only.

    Raises:
        UserError: for a mistake in the configuration, the folder or the weights, before anything is written.
        AjusteFinoError: where the loss is not finite, or the frozen backbone changed.
    """
    clock = Clock()
    data, learner, resumed = _validate(cfg, out)
    loading = LoaderConfig(device(cfg.trainer.accelerator), cfg.features.batch_size, workers(cfg.workers), progress)
    backbone, notes = factories.backbone(cfg)
    precision = resolve_precision(cfg.features.precision, loading.device, backbone)
    stages = Stages(cfg, data, backbone, learner.phases, precision, loading)
    features = stages.sources[0]
    learner.require_batches(stages.sources)
    _introduce(cfg, [*([] if cfg.phases.start == "random" else notes), *logistic.notes(cfg)], features)

    clock.start("extract")
    manifest = _inspect(data, features, loading, out if cfg.resume else None)
    out = _open(out, cfg, manifest)
    stages.settle(manifest)
    module = _data_module(learner, manifest, stages)
    split, judged = _to_evaluate(manifest, stages)
    plan = learner.plan(stages)
    clock.start("folds")
    metrics = folds.cross_validate(learner, manifest, plan, features, out)
    clock.start("fit")
    fitted = learner.fit(manifest, plan, features, module, out, resumed)
    clock.start("ensemble")
    fitted, bagged = bagging.train_ensemble(learner, manifest, features, fitted, loading.device)
    clock.stop()

    metrics |= frozen_metrics(stages, plan) | _validation(fitted.kept, len(manifest.split("val"))) | bagged
    metrics |= stages.metrics() | {"images/skipped": len(manifest.skipped)}
    temperature, calibrated = _keep(stages, fitted, manifest, out)
    metrics |= calibrated
    learning_curves(out / "metrics.csv", out / "plots" / "learning_curves.png", fitted.kept.number, fitted.kept.C)
    if fitted.stopped is not None:
        _close_stopped(out, metrics | clock.metrics(), cfg.monitor)
        raise fitted.stopped
    if run_test:
        metrics |= evaluate_split(split, manifest, manifest.split(split), probabilities(fitted.head, judged, temperature), out)
    return _close(out, metrics | clock.metrics(), manifest, cfg, fitted.kept)


def validate_numbers(cfg: DictConfig) -> None:
    """Refuse numbers outside their ranges, and what is no number where one is wanted."""
    rate = {"optimizer.lr": Range(float, 0, above=True)} if OmegaConf.select(cfg, "optimizer.lr") is not None else {}
    validate_ranges(cfg, {**number_ranges("train", cfg), **RANGES, **rate})


def _validate(cfg: DictConfig, out: Path) -> tuple[DataConfig, Learner, resume.Resumed | None]:
    require_keys(cfg)
    validate_numbers(cfg)
    if cfg.features.mode not in ("cached", "live"):
        raise UserError("features.mode", "must be cached or live", got=cfg.features.mode, fix="Pass cached; it is faster.")
    if cfg.imbalance not in imbalance.WAYS:
        fix = "Pass imbalance=none for no correction."
        raise UserError("imbalance", "must be none, weights or sampler", got=cfg.imbalance, fix=fix)
    phases = factories.phases(cfg)
    HeadShape(1, 2, **factories.head_shape(cfg.head))
    folds.require_possible(cfg, phases)
    bagging.require_possible(cfg, phases)
    logistic.require_possible(cfg, phases)
    if cfg.head.engine is not None:
        factories.require_plain_labels("head.engine", phases)
    if cfg.resume:
        return data_config(cfg), Learner(cfg, phases), resume.find(cfg, out, phases)
    require_empty(out, cfg)
    return data_config(cfg), Learner(cfg, phases), None


def _introduce(cfg: DictConfig, notes: list[str], features: FeatureSource) -> None:
    """Say what the backbone knows, and what is odd about its weights or the cached features."""
    for line in (introduce_backbone(cfg), *notes):
        log.info(line)
    if cfg.data.get("resize") == "pad" and any(phase.views != 1 for phase in factories.phases(cfg)):
        rule = "pads the plain view of an image alone; its further views are parts cut out of it"
        log.warning(str(UserError("data.resize=pad", rule, fix="Pass data.resize=squash, or features.views=1.")))
    _warn(features.warnings())


def _inspect(data: DataConfig, features: FeatureSource, loading: LoaderConfig, resumed: Path | None) -> Manifest:
    """Find, hash, split and decode the images, compute their features, and say what is odd as soon as it is known.

    Args:
        resumed: the folder of the run that is gone on with, if any.
    """
    with note_if_stopped(features.stop_note), tell_when_full("features.batch_size", loading.batch_size):
        inspection = inspect_folder(data, loading.workers, progress)
        if resumed is not None:
            unchanged.require_same_images(resumed, inspection.samples, data.strict)
        early = traps.findings(inspection.with_splits(), traps.BEFORE_DECODING)
        traps.refuse(early)
        _warn(str(finding) for finding in early if finding.level == "warning")
        stream = _decode(inspection, features, loading.workers)
        manifest = Manifest.of(inspection.with_decoded(features.extract(stream)).with_splits())
    _warn(str(finding) for finding in manifest.findings if finding.level == "warning" and finding not in early)
    return manifest


def _warn(messages: Iterable[str]) -> None:
    for message in messages:
        log.warning(message)


def _decode(inspection: Inspection, features: FeatureSource, workers: int) -> Generator[Decoded, None, None]:
    """Decode every image, to pixels where its features are missing; a run that will stop gets no pixels."""
    samples, strict, depth = inspection.samples, inspection.config.strict, inspection.config.depth
    if strict and inspection.skipped:
        return decode_all(samples, workers, progress, strict, depth=depth)
    wanted = features.missing([sample.sha256 for sample in samples])
    return decode_all(samples, workers, progress, strict, features.pixel_config, wanted, depth)


def _keep(stages: Stages, fitted: Fitted, manifest: Manifest, out: Path) -> tuple[float, dict[str, float]]:
    """Calibrate what was trained on the validation images, and write the bundle; return the temperature and its metrics."""
    val = manifest.split("val")
    features, targets = stages.last.source.features_of(val), torch.tensor(manifest.targets(val))
    temperature, metrics = calibrate(fitted.head, features, targets)
    stages.backbone.adopt(stages.last.tail)
    parts = manifest.labels, stages.preprocessing, stages.precision, sha256(out / "split.csv"), stages.engine, temperature
    bundle.write(bundle.Bundle(stages.backbone, fitted.head, *parts, stages.augmentation_kept()), out / "bundle")
    return temperature, metrics


def _data_module(learner: Learner, manifest: Manifest, stages: Stages) -> DataModule:
    """Return the batches of all phases; what the cache lacks for them is computed now."""
    with note_if_stopped(stages.last.source.stop_note), tell_when_full("features.batch_size", stages.loading.batch_size):
        return learner.data_module(manifest, stages.sources)


def frozen_metrics(stages: Stages, plan: Plan) -> Metrics:
    """Count the frozen and the trained parameters, and verify that the frozen ones have not changed, in any phase."""
    plan.verify(len(stages.stages) - 1)
    frozen, tail, _ = stages.last
    metrics: Metrics = {"frozen/parameters": 0 if frozen is None else _count(frozen)}
    if frozen is not None:
        metrics |= {"frozen/sha256": frozen.before, "frozen/unchanged": True}
    if tail is not None:
        metrics |= {"trained/parameters": sum(parameter.numel() for parameter in plan.trained(-1))}
    if len(plan.proofs) > 1:
        metrics |= {f"frozen/{number + 1}/sha256": proof for number, proof in plan.proofs.items()}
    return metrics


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _open(out: Path, cfg: DictConfig, manifest: Manifest) -> Path:
    """Create the run folder, write its configuration, log and split; return it."""
    if cfg.resume:
        unchanged.require_same_split(out, manifest)
    out = open_run(out, cfg)
    if not cfg.resume:
        lock(out)
    write_split(out / "split.csv", manifest.samples)
    sizes = ", ".join(f"{len(manifest.split(split)):,} {split}" for split in ("train", "val", "test"))
    log.info(f"Run folder: {out}")
    log.info(f"{len(manifest.samples):,} images of {len(manifest.labels)} classes: {sizes}")
    return out


def _to_evaluate(manifest: Manifest, stages: Stages) -> tuple[str, Iterator[Tensor]]:
    """Return the test split, or the validation split where there is none: its name and its features.

    Those of a backbone that is trained are computed from images by all of it, as a trained model does, when they are read.
    """
    split = "test" if manifest.split("test") else "val"
    source = stages.whole() if stages.phases.trains_backbone else stages.sources[0]
    return split, source.features_of(manifest.split(split))


def _validation(kept: Kept, count: int) -> Metrics:
    """Return the validation metrics of what was kept; of the accuracy also its 95 % interval."""
    low, high = wilson(round(kept.validation["val/accuracy"] * count), count)
    return {**kept.metrics(), "val/accuracy_low": low, "val/accuracy_high": high}


def _close_stopped(out: Path, metrics: Metrics, monitor: str) -> None:
    """Write the metrics there are, and tell how to use the model that was kept."""
    write_json(out / "metrics.json", metrics | {"stopped": True})
    log.warning(
        f"Stopped. The model of epoch {metrics['epoch']}, of the {best_of(monitor)} so far (validation accuracy "
        f"{metrics['val/accuracy']:.4f}), is kept. Use it: ajuste-fino predict run={out} images=…"
    )


def _close(out: Path, metrics: Metrics, manifest: Manifest, cfg: DictConfig, kept: Kept) -> Metrics:
    """Write the metrics and say what was found."""
    write_json(out / "metrics.json", metrics)
    if "frozen/sha256" in metrics:
        what = f"{metrics['frozen/parameters']:,} parameters and all buffers"
        log.info(f"The frozen backbone is unchanged: SHA-256 {metrics['frozen/sha256'][:16]}… of {what}")
    interval = f"95 % interval {metrics['val/accuracy_low']:.3f} to {metrics['val/accuracy_high']:.3f}"
    log.info(f"{kept.summary(cfg.patience, cfg.monitor)}: validation accuracy {metrics['val/accuracy']:.4f}, {interval}")
    for name in ("test", "val"):
        if f"{name}/images" in metrics:
            log_evaluation(name, metrics, manifest.labels)
            log_limits(name, metrics, folds.possible(cfg, manifest))
    bagging.log_summary(metrics)
    log.info(f"{metrics['time/total_s']:.1f} s, imports aside. Results: {out.absolute()}")
    return metrics
