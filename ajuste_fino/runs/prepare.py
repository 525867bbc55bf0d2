"""The way from a configuration to the batches of a training: what `train` and `find-lr` share."""

from collections.abc import Generator, Iterable
from dataclasses import replace
from math import inf
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from ajuste_fino import imbalance, ranks
from ajuste_fino.console import log, note_if_stopped
from ajuste_fino.data import traps
from ajuste_fino.data.config import DataConfig
from ajuste_fino.data.decoding import Decoded, decode_all
from ajuste_fino.data.inspection import Inspection, inspect_folder
from ajuste_fino.data.loading import LoaderConfig
from ajuste_fino.data.manifest import Manifest, summary
from ajuste_fino.data.module import DataModule
from ajuste_fino.data.sources.source import Root, Source
from ajuste_fino.data.split import write_split
from ajuste_fino.data.transforms import Augmentation
from ajuste_fino.environment import environment
from ajuste_fino.errors import Range, UserError
from ajuste_fino.features import FeatureSource, LiveFeatures, resolve_precision
from ajuste_fino.files import write_json
from ajuste_fino.head import HeadShape
from ajuste_fino.memory import tell_when_full
from ajuste_fino.phases import Phase
from ajuste_fino.predict import device
from ajuste_fino.runs import bagging, compiled, factories, folds, launch, logistic, resume, unchanged
from ajuste_fino.runs.configuration import require_keys, validate_ranges
from ajuste_fino.runs.console import WORKERS, progress, workers
from ajuste_fino.runs.data import data_config
from ajuste_fino.runs.introduction import introduce_backbone
from ajuste_fino.runs.kinds import number_ranges
from ajuste_fino.runs.learner import Learner
from ajuste_fino.runs.run_folder import open_run, require_empty
from ajuste_fino.runs.stages import Stages
from ajuste_fino.texts import require_language

RANGES = {
    "epochs": Range(int, 1),
    "patience": Range(int, 1),
    "callbacks.early_stopping.patience": Range(int, 1, optional=True),
    "batch_size": Range(int, 1, inf, optional=True),
    "workers": WORKERS,
    "features.batch_size": Range(int, 1),
    "features.views": Range(int, 1, 10**6, optional=True),
    "features.disk_gb": Range(float, 0, inf, optional=True),
    "trainer.devices": Range(int, 1),
    "trainer.num_nodes": Range(int, 1),
    "trainer.gradient_clip_val": Range(float, 0, inf, optional=True, above=True),
    "trainer.accumulate_grad_batches": Range(int, 1),
    **{key: replace(Phase.RANGES[key], optional=True) for key in factories.LABELS},
    "features.pool": Range(int, 1, 4, optional=True),
    "data.image_size": Range(int, 8, 4096, optional=True),
    "data.folds": Range(int, 2, inf, optional=True),
    "ensemble": Range(int, 2, 10_000, optional=True),
    **DataConfig.RANGES,
    **Augmentation.RANGES,
    **HeadShape.RANGES,
}


def validate_numbers(cfg: DictConfig) -> None:
    """Refuse numbers outside their ranges, and what is no number where one is wanted."""
    rate = {"optimizer.lr": Range(float, 0, above=True)} if OmegaConf.select(cfg, "optimizer.lr") is not None else {}
    validate_ranges(cfg, {**number_ranges("train", cfg), **RANGES, **rate})


def validate(cfg: DictConfig, out: Path) -> tuple[DataConfig, Learner, resume.Resumed | None]:
    """Refuse what is wrong with the configuration; return what the data is, the learner, and the checkpoint to go on from.

    Raises:
        UserError: for any key, before any work is done.
    """
    require_keys(cfg)
    require_language(cfg.lang)
    validate_numbers(cfg)
    if cfg.features.mode not in ("cached", "live"):
        raise UserError("features.mode", "must be cached or live", got=cfg.features.mode, fix="Pass cached; it is faster.")
    if cfg.features.get("from") is not None:
        raise UserError("features.from", "is for train alone", got=cfg.features["from"], fix="Leave it out.")
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
    factories.require_something_to_cut(cfg, phases)
    compiled.require_possible(cfg, phases)
    launch.require_possible(cfg)
    if launch.follows(cfg):  # the first process looks at the folder
        return data_config(cfg), Learner(cfg, phases), None
    if cfg.resume:
        return data_config(cfg), Learner(cfg, phases), resume.find(cfg, out, phases)
    require_empty(out, cfg)
    return data_config(cfg), Learner(cfg, phases), None


def stages(cfg: DictConfig, data: DataConfig, learner: Learner) -> Stages:
    """Build the backbone, and what each phase reads; say what it knows."""
    shared = max(workers(cfg.workers) // ranks.count(), 1) if cfg.workers is None else cfg.workers
    loading = LoaderConfig(device(cfg.trainer.accelerator), cfg.features.batch_size, shared, progress)
    backbone, notes = factories.backbone(cfg)
    precision = resolve_precision(cfg.features.precision, loading.device, backbone)
    found = Stages(cfg, data, backbone, learner.phases, precision, loading)
    learner.require_batches(found.sources)
    live, kept = any(isinstance(source, LiveFeatures) for source in found.sources), cfg.data.get("cache") == "uint8"
    if kept and not live:
        log.warning("data.cache=uint8 has no effect: no phase reads images in every epoch.")
    if live and not kept and isinstance(data.root, Source):
        log.warning(
            "Images are read from data.root anew in every epoch, in another order; data.cache=uint8 keeps them decoded."
        )
    _introduce(cfg, [*([] if cfg.phases.start == "random" else notes), *logistic.notes(cfg)], found.sources[0])
    return found


def _introduce(cfg: DictConfig, notes: list[str], features: FeatureSource) -> None:
    """Say what the backbone knows, and what is odd about its weights or the cached features."""
    for line in (introduce_backbone(cfg), *notes):
        log.info(line)
    if cfg.data.get("resize") == "pad" and any(phase.views != 1 for phase in factories.phases(cfg)):
        rule = "pads the plain view of an image alone; its further views are parts cut out of it"
        log.warning(str(UserError("data.resize=pad", rule, fix="Pass data.resize=squash, or features.views=1.")))
    _warn(features.warnings())


def inspect(data: DataConfig, features: FeatureSource, loading: LoaderConfig, resumed: Path | None = None) -> Manifest:
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


def open_folder(out: Path, cfg: DictConfig, manifest: Manifest, root: Root) -> Path:
    """Create the run folder, write its configuration, log, split and what is known before it begins; return it."""
    if cfg.resume:
        unchanged.require_same_split(out, manifest)
    out = open_run(out, cfg)
    write_split(out / "split.csv", manifest.samples)
    write_json(out / "audit.json", summary(root, manifest.samples, manifest.labels, manifest.findings))
    write_json(out / "environment.json", environment(device(cfg.trainer.accelerator)))
    sizes = ", ".join(f"{len(manifest.split(split)):,} {split}" for split in ("train", "val", "test"))
    log.info(f"Run folder: {out}")
    log.info(f"{len(manifest.samples):,} images of {len(manifest.labels)} classes: {sizes}")
    return out


def data_module(learner: Learner, manifest: Manifest, stages: Stages) -> DataModule:
    """Return the batches of all phases; what the cache lacks for them is computed now, where it may take that room.

    Several processes that train together compute a part each.
    """
    stages.settle(manifest)
    if ranks.count() > 1:
        with tell_when_full("features.batch_size", stages.loading.batch_size):
            stages.compute_share(manifest)
    with note_if_stopped(stages.last.source.stop_note), tell_when_full("features.batch_size", stages.loading.batch_size):
        return learner.data_module(manifest, stages.sources)


def require_enough(learner: Learner, manifest: Manifest) -> None:
    """Refuse more processes than there are images: each must have one of every batch.

    Raises:
        UserError: with how many there are.
    """
    val, train = len(manifest.split("val")), len(manifest.split("train"))
    fewest = min(val, learner.batch_size(train), train)
    if fewest < ranks.count():
        rule = f"must be at most {fewest}, so that each has an image of every batch"
        fix = "Pass fewer."
        raise UserError("trainer.devices × trainer.num_nodes", rule, got=ranks.count(), fix=fix)
