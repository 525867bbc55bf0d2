"""`train`: config → scan → hash → split → decode → traps → manifest → features → head → bundle."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import Tensor, nn

from ajuste_fino import bundle, ranks
from ajuste_fino.calibration import calibrate
from ajuste_fino.console import log
from ajuste_fino.data.config import DataConfig
from ajuste_fino.data.manifest import Manifest
from ajuste_fino.files import sha256, write_json
from ajuste_fino.head import probabilities
from ajuste_fino.novelty import Novelty, accepted, measured
from ajuste_fino.plan import Plan
from ajuste_fino.report.plots import learning_curves
from ajuste_fino.report.run_report import Extras
from ajuste_fino.report.run_report import write as write_report
from ajuste_fino.runs import bagging, budget, folds, launch, prepare, resume, unknown
from ajuste_fino.runs.clock import Clock
from ajuste_fino.runs.console import run_log
from ajuste_fino.runs.evaluation import Metrics, evaluate_split, log_evaluation, log_limits
from ajuste_fino.runs.fit import Kept, best_of
from ajuste_fino.runs.grammar import verbatim
from ajuste_fino.runs.learner import Fitted, Learner
from ajuste_fino.runs.lock import lock, own_folder
from ajuste_fino.runs.stages import Stages
from ajuste_fino.scores import wilson


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
    if cfg.features.get("from") is not None:  # a group of the user's own may be older
        from ajuste_fino.runs import streamed

        return streamed.train(cfg, out, run_test)
    return _on_images(cfg, out, run_test)


def _on_images(cfg: DictConfig, out: Path, run_test: bool) -> Metrics:
    """The run of a folder of images."""
    clock, until = Clock(), budget.deadline(cfg)
    data, learner, resumed = prepare.validate(cfg, out)
    with launch.launched(cfg) as group, prepare.stages(cfg, data, learner) as stages:
        features = stages.sources[0]

        clock.start("extract")
        manifest, out, resumed = ranks.from_first(lambda: _begin(cfg, data, learner, stages, out, resumed))
        cfg.out = cfg.out if ranks.is_first() else verbatim(str(out))
        learner = budget.in_time(learner, stages, manifest, until, out, resumed)
        module = prepare.data_module(learner, manifest, stages)
        split, judged = _to_evaluate(manifest, stages)
        plan = learner.plan(stages)
        clock.start("folds")
        metrics = folds.cross_validate(learner, manifest, plan, features, out)
        clock.start("fit")
        fitted = learner.fit(manifest, plan, features, module, out, resumed)
        if not ranks.is_first():
            return group.result()
        clock.start("ensemble")
        fitted, bagged = bagging.train_ensemble(learner, manifest, features, fitted, stages.loading.device)
        clock.start("novelty")
        novelty = unknown.fit(stages, fitted, manifest)
        clock.stop()

        metrics |= frozen_metrics(stages, plan) | _validation(fitted.kept, len(manifest.split("val"))) | bagged
        kept, calibrated = _keep(stages, fitted, novelty, manifest, out)
        metrics |= stages.metrics() | {"images/skipped": len(manifest.skipped)} | calibrated
        learning_curves(out / "metrics.csv", out / "plots" / "learning_curves.png", fitted.kept.number, fitted.kept.C)
        if fitted.stopped is not None:
            _close_stopped(out, metrics | clock.metrics(), fitted.kept)
            raise fitted.stopped
        if run_test:
            metrics |= _evaluate(split, judged, kept, manifest, out)
        return group.finish(_close(out, metrics | clock.metrics(), manifest, cfg, fitted.kept, run_test))


def _begin(
    cfg: DictConfig, data: DataConfig, learner: Learner, stages: Stages, out: Path, resumed: resume.Resumed | None
) -> tuple[Manifest, Path, resume.Resumed | None]:
    """Inspect the images and open the run folder, as the first of the processes that train together."""
    manifest = prepare.inspect(data, stages.sources[0], stages.loading, out if cfg.resume else None)
    prepare.require_enough(learner, manifest)
    out = prepare.open_folder(out, cfg, manifest, data.root)
    lock(out)
    return manifest, out, resumed


def _keep(
    stages: Stages, fitted: Fitted, novelty: Novelty | None, manifest: Manifest, out: Path
) -> tuple[bundle.Bundle, dict[str, float]]:
    """Calibrate what was trained on the validation images, and write the bundle; return it and the metrics of these images."""
    val = manifest.split("val")
    distances = list[Tensor]()
    features, targets = stages.last.source.features_of(val), torch.tensor(manifest.targets(val))
    temperature, metrics = calibrate(fitted.head, measured(novelty, fitted.head, features, distances), targets)
    if novelty is not None:
        found = torch.cat(distances)
        novelty = novelty.accepting(found)
        metrics |= accepted("val", [found / novelty.threshold])
        unknown.log_threshold(metrics, len(val))
    stages.backbone.adopt(stages.last.tail)
    parts = manifest.labels, stages.preprocessing, stages.precision, sha256(out / "split.csv"), stages.engine, temperature
    kept = bundle.Bundle(stages.backbone, fitted.head, *parts, stages.augmentation_kept(fitted.kept.number - 1), novelty)
    bundle.write(kept, out / "bundle")
    return kept, metrics


def _evaluate(split: str, features: Iterable[Tensor], kept: bundle.Bundle, manifest: Manifest, out: Path) -> Metrics:
    """Evaluate what is kept on a split; of the split also the share of images that it takes for known."""
    distances = list[Tensor]()
    found = probabilities(kept.head, measured(kept.novelty, kept.head, features, distances), kept.temperature)
    return evaluate_split(split, manifest, manifest.split(split), found, out) | accepted(split, distances)


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


def _close_stopped(out: Path, metrics: Metrics, kept: Kept) -> None:
    """Write the metrics there are, and tell how to use the model that was kept."""
    write_json(out / "metrics.json", metrics | {"stopped": True})
    log.warning(
        f"Stopped. The model of epoch {metrics['epoch']}, of the {best_of(kept.monitor)} so far (validation accuracy "
        f"{metrics['val/accuracy']:.4f}), is kept. Use it: ajuste-fino predict run={out} images=…"
    )


def _close(out: Path, metrics: Metrics, manifest: Manifest, cfg: DictConfig, kept: Kept, judged: bool) -> Metrics:
    """Write the metrics, say what was found, and write the report of a run that was judged."""
    write_json(out / "metrics.json", metrics)
    if "frozen/sha256" in metrics:
        what = f"{metrics['frozen/parameters']:,} parameters and all buffers"
        log.info(f"The frozen backbone is unchanged: SHA-256 {metrics['frozen/sha256'][:16]}… of {what}")
    interval = f"95 % interval {metrics['val/accuracy_low']:.3f} to {metrics['val/accuracy_high']:.3f}"
    log.info(f"{kept.summary(cfg.patience)}: validation accuracy {metrics['val/accuracy']:.4f}, {interval}")
    for name in ("test", "val"):
        if f"{name}/images" in metrics:
            log_evaluation(name, metrics, manifest.labels)
            log_limits(name, metrics, folds.possible(cfg, manifest))
    bagging.log_summary(metrics)
    if judged:
        page = write_report(out, cfg.lang, Extras({sample.file: sample for sample in manifest.samples}))
        log.info(f"Report: {page.absolute()}")
    log.info(f"{metrics['time/total_s']:.1f} s, imports aside. Results: {out.absolute()}")
    return metrics
