"""`train features.from=FOLDER_OR_URL`: a head on features that `extract` wrote, read block by block, without an image."""

from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from ajuste_fino import bundle, novelty
from ajuste_fino.calibration import calibrate
from ajuste_fino.console import log
from ajuste_fino.data.config import DataConfig
from ajuste_fino.data.loading import LoaderConfig
from ajuste_fino.data.manifest import Manifest
from ajuste_fino.data.module import DataModule
from ajuste_fino.data.stream import BlockOrder, StreamedBlocks, StreamedTraining, StreamOrder
from ajuste_fino.data.transforms import Augmentation
from ajuste_fino.errors import Range, UserError, preview
from ajuste_fino.features import resolve_precision
from ajuste_fino.features.extracted import Extracted
from ajuste_fino.features.extractor import Extractor, identity
from ajuste_fino.features.streamed import SplitBlocks, StreamedFeatures
from ajuste_fino.files import sha256
from ajuste_fino.head import Head, HeadShape, bounded
from ajuste_fino.novelty import Novelty, accepted, measured
from ajuste_fino.phases import Phases
from ajuste_fino.report.plots import learning_curves
from ajuste_fino.runs import factories, launch, logistic, resume, unknown
from ajuste_fino.runs import train as ordinary
from ajuste_fino.runs.clock import Clock
from ajuste_fino.runs.configuration import require_keys, validate_ranges
from ajuste_fino.runs.console import progress, workers
from ajuste_fino.runs.evaluation import Metrics
from ajuste_fino.runs.grammar import verbatim
from ajuste_fino.runs.introduction import introduce_backbone
from ajuste_fino.runs.learner import Fitted, Learner
from ajuste_fino.runs.lock import lock
from ajuste_fino.runs.prepare import validate_numbers
from ajuste_fino.runs.run_folder import require_empty
from ajuste_fino.runs.saved import leaves
from ajuste_fino.runs.stages import Stages
from ajuste_fino.runs.streamed_evaluation import evaluate_stream
from ajuste_fino.runs.streamed_rows import open_folder, require_classes, require_same_features
from ajuste_fino.texts import require_language

BUFFER_BYTES = 256 * 2**20  # of shuffled training rows, and of validation rows that stay in memory
CALIBRATED, LOGITS = 20_000, 5_000_000  # validation rows by which the temperature is chosen, and their logits, at most
REPORTED = 1_000_000  # cells of the table of predictions, up to which a report is made of it
ALLOWED: dict[str, tuple[object, ...]] = {  # keys that need images, or all rows at once, and the values that do not
    "features.mode": ("cached",),
    "features.views": (None, 1),
    "imbalance": ("none", "weights"),
    "ensemble": (None,),
    "time": (None,),
    "data.folds": (None,),
    "data.group": (None,),
    "data.split": (None,),
    "data.corrections": (None,),
    "data.cache": (None, "none"),
    "compile": (None, False),
    "trainer.devices": (None, 1),
    "trainer.num_nodes": (None, 1),
}


def train(cfg: DictConfig, out: Path, run_test: bool = True) -> Metrics:
    """Train a head on extracted features; write the run folder `out`, return what `metrics.json` has, as `train` does."""
    clock = Clock()
    extracted, phases, resumed = _validate(cfg, out)
    stages = _stages(cfg, phases, extracted)
    clock.start("extract")
    rows = StreamedFeatures(extracted, cfg.data.val, cfg.data.test, cfg.seed, progress)
    try:
        require_classes(rows)
        learner = StreamedLearner(cfg, phases, rows)
        out = open_folder(out, cfg, rows)
        lock(out)
        plan, manifest = learner.plan(stages), Manifest([], rows.labels, [], [])
        clock.start("fit")
        fitted = learner.fit(manifest, plan, stages.sources[0], learner.module(), out, resumed)
        clock.start("novelty")
        unfitted = _novelty(rows, fitted)
        clock.stop()
        kept, calibrated = _keep(stages, fitted, unfitted, rows, out)
        metrics = ordinary.frozen_metrics(stages, plan) | ordinary._validation(fitted.kept, rows.total("val")) | calibrated
        metrics |= {"cache/hit": True, "features/engine": extracted.about["engine"], "images/skipped": 0}
        learning_curves(out / "metrics.csv", out / "plots" / "learning_curves.png", fitted.kept.number, None)
        if fitted.stopped is not None:
            ordinary._close_stopped(out, metrics | clock.metrics(), fitted.kept)
            raise fitted.stopped
        split = "test" if rows.total("test") else "val"
        if run_test:
            metrics |= evaluate_stream(split, rows, kept, out)
        reported = run_test and _is_reported(rows, split)
        return ordinary._close(out, metrics | clock.metrics(), manifest, cfg, fitted.kept, reported)
    finally:
        rows.close()


def _is_reported(rows: StreamedFeatures, split: str) -> bool:
    few = rows.total(split) * (len(rows.labels) + 4) <= REPORTED
    if not few:
        log.info(f"report.html is left out: it is made of the whole table of {rows.total(split):,} predictions.")
    return few


def _validate(cfg: DictConfig, out: Path) -> tuple[Extracted, Phases, resume.Resumed | None]:
    """Refuse what is wrong with the configuration, and what cannot be done with features alone.

    Raises:
        UserError: for any key, before any work is done.
    """
    if cfg.data.get("root", "") is None or OmegaConf.is_missing(cfg.data, "root"):
        cfg.data.root = None  # no image is looked at
    require_keys(cfg)
    require_language(cfg.lang)
    validate_numbers(cfg)
    launch.require_possible(cfg)
    validate_ranges(cfg, {"features.buffer": Range(int, 1)})
    phases = factories.phases(cfg)
    if phases.trains_backbone or len(phases) > 1:
        got = f"train_from={', '.join(phase.train_from for phase in phases)}"
        raise UserError("features.from", "has features alone, which train a head", got=got, fix="Pass phases=head.")
    if logistic.strengths(cfg):
        fix = "Pass head=linear, which is trained batch by batch."
        raise UserError("head=logistic (head.C)", "needs all features at once, and features.from streams them", fix=fix)
    for key, allowed in ALLOWED.items():
        if (got := OmegaConf.select(cfg, key)) not in allowed:
            raise UserError(key, "cannot be had with features.from", got=got, fix=f"Pass {key}={allowed[-1]}, or leave it out.")
    _refuse_augmentation(cfg)
    HeadShape(1, 2, **factories.head_shape(cfg.head))
    if cfg.head.engine is not None:
        factories.require_plain_labels("head.engine", phases)
    factories.require_something_to_cut(cfg, phases)
    extracted = Extracted.read("features.from", str(cfg.features["from"]))
    if extracted.storage.folder is not None:
        cfg.features["from"] = verbatim(str(extracted.storage.folder))  # so that the saved configuration works from anywhere
    if cfg.resume:
        resumed = resume.find(cfg, out, phases)
        require_same_features(out, extracted)
        return extracted, phases, resumed
    require_empty(out, cfg)
    return extracted, phases, None


def _refuse_augmentation(cfg: DictConfig) -> None:
    """Refuse a policy that somebody chose: no image is there to be varied."""
    given, plain = cfg.data.get("augment") or {}, Augmentation()
    chosen = [name for name in ("color", "trivial", "erase") if (given.get(name) or 0) > getattr(plain, name)]
    if chosen or given.get("_target_") not in (None, "none"):
        rule, fix = "varies images, and features.from has none", "Leave it out."
        raise UserError("augment", rule, got=", ".join(chosen) or given["_target_"], fix=fix)


def _stages(cfg: DictConfig, phases: Phases, extracted: Extracted) -> Stages:
    """Build the backbone of the features, by which the trained head will predict.

    Raises:
        UserError: where the configuration's is another, with what differs.
    """
    loading = LoaderConfig(torch.device("cpu"), cfg.features.batch_size, workers(cfg.workers), progress)
    backbone, notes = factories.backbone(cfg)
    precision = resolve_precision(cfg.features.precision, loading.device, backbone)
    data = DataConfig(Path(), val=cfg.data.val, test=cfg.data.test, depth=cfg.data.depth, resize=cfg.data.get("resize"))
    engine = cfg.features.get("engine", "auto")
    found = Stages(OmegaConf.merge(cfg, {"features": {"engine": "torch"}}), data, backbone, phases, precision, loading)  # type: ignore[arg-type]
    about = extracted.about
    frozen = found.last.frozen
    assert frozen is not None  # the phase is that of the head
    now = identity(Extractor(frozen, found.preprocessing, precision)) | ({} if engine == "auto" else {"engine": engine})
    before = about["identity"] | ({} if engine == "auto" else {"engine": about["engine"]})
    old, new = dict(leaves(_plain(before))), dict(leaves(_plain(now)))
    differ = [f"{key}: {old.get(key)} → {new.get(key)}" for key in {**old, **new} if old.get(key) != new.get(key)]
    if differ:
        fix = f"Leave these keys out, and those of the features are taken:\n{preview(differ)}"
        raise UserError("The backbone", f"must be that of features.from={extracted.storage.where}", fix=fix)
    for line in (introduce_backbone(cfg), *notes):
        log.info(line)
    return found


def _plain(value: Any) -> Any:
    """As JSON has it: tuples are lists."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


class StreamedLearner(Learner):
    """Trains a head on rows that are streamed; what the ordinary one counts over samples is known from reading labels."""

    def __init__(self, cfg: DictConfig, phases: Phases, rows: StreamedFeatures) -> None:
        super().__init__(cfg, phases)
        self.rows = rows

    def module(self) -> DataModule:
        """Return the batches of the training and the validation rows."""
        train, val, width = self.rows.of("train"), self.rows.of("val"), self.rows.width
        order = StreamOrder(sum(train.sizes), self.batch_size(sum(train.sizes)), self.cfg.seed)
        buffer = min(self.cfg.features.buffer, max(BUFFER_BYTES // (4 * width), 1))
        training = StreamedTraining(train, order, self.cfg.seed, buffer)
        return DataModule([(training, order)], [(StreamedBlocks(val, BUFFER_BYTES), BlockOrder(val))], 0)

    def prior(self, manifest: Manifest) -> Tensor:
        counts = torch.from_numpy(self.rows.counts["train"])
        return counts.clamp(min=1) / int(counts.sum())

    def class_weights(self, manifest: Manifest) -> Tensor | None:
        return None if self.cfg.imbalance == "none" else 1 / (len(self.rows.labels) * self.prior(manifest))

    def _head(self, manifest: Manifest, features: Any) -> Head:
        """Return a head that standardises by what `about.json` says: of training rows, or of all where no split was given."""
        torch.manual_seed(self.cfg.seed)
        head = Head(HeadShape(self.rows.width, len(self.rows.labels), **factories.head_shape(self.cfg.head)))
        statistics = self.rows.extracted.about["statistics"]
        found = statistics.get("train", statistics.get("", {}))
        head.standardise.set(torch.tensor(found["mean"]), bounded(torch.tensor(found["std"])))
        return head


def _novelty(rows: StreamedFeatures, fitted: Fitted) -> Novelty:
    """Fit it to the first training rows of each class in the order of hashes, which are a sample, 4000 in all at most."""
    each, taken = max(novelty.MOST // len(rows.labels), 1), [0] * len(rows.labels)
    head = fitted.head.cpu().eval()
    x, y = list[Tensor](), list[Tensor]()
    for block in rows.blocks["train"]:
        chosen = [n for n, label in enumerate(rows.targets(block).tolist()) if _is_wanted(taken, label, each)]
        if chosen:
            features, targets = rows.read(block)
            with torch.inference_mode():
                x.append(head.standardise(features[chosen]))
            y.append(targets[chosen])
        if all(count >= min(each, int(most)) for count, most in zip(taken, rows.counts["train"], strict=True)):
            break
    return novelty.fit(torch.cat(x), torch.cat(y))


def _is_wanted(taken: list[int], label: int, each: int) -> bool:
    """Whether one more row of a class is wanted; if so, it is counted."""
    wanted = taken[label] < each
    taken[label] += wanted
    return wanted


def _keep(
    stages: Stages, fitted: Fitted, found: Novelty, rows: StreamedFeatures, out: Path
) -> tuple[bundle.Bundle, dict[str, float]]:
    """Calibrate what was trained on the validation rows, of very many on the first of them, and write the bundle."""
    head, distances, val = fitted.head, list[Tensor](), rows.of("val")
    blocks = val.first(max(min(CALIBRATED, LOGITS // len(rows.labels)), 1))
    targets = torch.cat([rows.targets(block) for block in blocks])
    features = (x for x, _ in SplitBlocks(rows, blocks).each(range(len(blocks))))
    temperature, metrics = calibrate(head, measured(found, head, features, distances), targets)
    near = torch.cat(distances)
    found = found.accepting(near)
    metrics |= accepted("val", [near / found.threshold])
    unknown.log_threshold(metrics, len(near))
    parts = rows.labels, stages.preprocessing, stages.precision, sha256(out / "split.csv"), rows.extracted.about["engine"]
    kept = bundle.Bundle(stages.backbone, head, *parts, temperature, None, found)
    bundle.write(kept, out / "bundle")
    return kept, metrics
