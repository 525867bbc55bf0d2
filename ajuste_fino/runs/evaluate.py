"""`evaluate`: test a trained model on its own test split, or on other images."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from ajuste_fino.data.config import DataConfig
from ajuste_fino.data.content import changed
from ajuste_fino.data.history import History
from ajuste_fino.data.manifest import Manifest, load_eval, load_split
from ajuste_fino.data.multiview import VIEWS
from ajuste_fino.errors import UserError
from ajuste_fino.escape import quoted
from ajuste_fino.files import write_json
from ajuste_fino.novelty import accepted
from ajuste_fino.predict import Predictor, load
from ajuste_fino.runs.configuration import trusted, validate_ranges
from ajuste_fino.runs.console import WORKERS, log, progress, run_log, workers
from ajuste_fino.runs.data import corrections_of, given_root
from ajuste_fino.runs.evaluation import evaluate_split, log_evaluation, log_limits
from ajuste_fino.runs.grammar import verbatim
from ajuste_fino.runs.latest import find_run
from ajuste_fino.runs.own_images import images_root
from ajuste_fino.runs.run_folder import open_run, require_empty

RANGES = {"workers": WORKERS, "tta": VIEWS, "data.max_skipped": DataConfig.RANGES["data.max_skipped"]}
FIX = "Pass data.root=FOLDER with images to evaluate on."
OF_ROOT = ("corrections", "name", "image_column", "label_column")  # keys that say nothing of a run's own images
MOVED = "Where they are now, say with data.root=FOLDER: the test split is found there by its content."


@run_log()
def evaluate(cfg: DictConfig, out: Path) -> dict[str, Any]:
    """Write `predictions_NAME.csv`, `metrics.json` and the confusion matrix into `out`; return the metrics.

    NAME is test for the run's own test split, wherever it lies now; val, where it has none, for its validation split; eval for
    other images.

    Raises:
        UserError: where there is no such run or folder, or the folder has classes that the model does not know.
    """
    started = time.perf_counter()
    validate_ranges(cfg, RANGES)
    require_empty(out, cfg)
    cfg.run = verbatim(str(find_run(str(cfg.run))))
    predictor = load(cfg.run, cfg.trainer.accelerator, trusted(cfg))
    views = predictor.multiview(cfg.tta)
    history = History.of(Path(cfg.run), predictor.split)
    name, manifest = _manifest(cfg, history, predictor.preprocessing.depth)
    manifest = _known(manifest, predictor)
    for warning in manifest.warnings:
        log.warning(warning)
    out = open_run(out, cfg)
    if views:
        log.info(views.summary())
    scores = predictor.scores(manifest.samples, workers=workers(cfg.workers), progress=progress, tta=cfg.tta)
    if scores.bad:
        raise changed(next(iter(scores.bad.values())))
    metrics = evaluate_split(name, manifest, manifest.samples, scores.probabilities, out)
    metrics |= accepted(name, [] if scores.distance is None else [scores.distance])
    metrics |= {"images/skipped": len(manifest.skipped), "time/total_s": round(time.perf_counter() - started, 2)}
    write_json(out / "metrics.json", metrics)
    log_evaluation(name, metrics, manifest.labels)
    log_limits(name, metrics, 0)
    log.info(f"Results: {out.absolute()}")
    return metrics


def _manifest(cfg: DictConfig, history: History, depth: int | None) -> tuple[str, Manifest]:
    """What to evaluate on, and its name: the images of `data.root`, or the split that the run set aside."""
    if cfg.data.root is not None:
        root = given_root(cfg.data, cfg.data.name)
        skipping = {"on_bad_image": cfg.data.on_bad_image, "max_skipped": cfg.data.max_skipped}
        config = DataConfig(root, **skipping, depth=depth, corrections=corrections_of(cfg.data))
        manifest = load_eval(config, history, workers(cfg.workers), progress)
        return history.split_of(manifest.samples), manifest
    if given := next((key for key in OF_ROOT if cfg.data[key] is not None), None):
        fix = "Leave it out: the run's own images are evaluated under the labels that it had. Or pass data.root=FOLDER as well."
        raise UserError(f"data.{given}", "is for the images of data.root", got=cfg.data[given], fix=fix)
    run = Path(cfg.run)
    root = images_root(run, history, FIX, MOVED)
    return history.name, load_split(run / "split.csv", history.name, root, workers(cfg.workers), progress, depth)


def _known(manifest: Manifest, predictor: Predictor) -> Manifest:
    """The table with the labels of the model, in its order."""
    unknown = sorted({sample.label for sample in manifest.samples} - set(predictor.labels))
    if unknown:
        fix = f"It knows {', '.join(quoted(label) for label in predictor.labels)}."
        got = ", ".join(quoted(label) for label in unknown)
        raise UserError("data.root", "has classes that the model does not know", got=got, fix=fix)
    return replace(manifest, labels=predictor.labels)
