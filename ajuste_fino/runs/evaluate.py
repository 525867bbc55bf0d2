"""`evaluate`: test a trained model on its own test split, or on other images."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ajuste_fino.data.config import DataConfig
from ajuste_fino.data.digits import digits_folder
from ajuste_fino.data.images import changed
from ajuste_fino.data.manifest import Manifest, load_eval, load_test_split
from ajuste_fino.errors import UserError
from ajuste_fino.files import existing, write_json
from ajuste_fino.predict import Predictor, load
from ajuste_fino.runs.configuration import require_keys, validate_ranges
from ajuste_fino.runs.console import WORKERS, log, progress, start_log, workers
from ajuste_fino.runs.factories import trusted
from ajuste_fino.runs.run_folder import open_run, require_empty
from ajuste_fino.runs.train import evaluate_split

RANGES = {"workers": WORKERS, "data.max_skipped": DataConfig.RANGES["data.max_skipped"]}


def evaluate(cfg: DictConfig, out: Path) -> dict[str, Any]:
    """Write `predictions_test.csv`, `metrics.json` and the confusion matrix into `out`; return the metrics.

    Raises:
        UserError: where there is no such run or folder, or the folder has classes that the model does not know.
    """
    started = time.perf_counter()
    require_keys(cfg)
    validate_ranges(cfg, RANGES)
    require_empty(out)
    start_log()
    predictor = load(cfg.run, cfg.trainer.accelerator, trusted(cfg))
    manifest = _known(_manifest(cfg), predictor)
    open_run(out, cfg, manifest.warnings)
    scores = predictor.scores(manifest.samples, workers=workers(cfg.workers), progress=progress)
    if scores.bad:
        raise changed(next(iter(scores.bad.values())))
    metrics = evaluate_split(manifest, scores.probabilities, out / "predictions_test.csv", out / "plots")
    metrics |= {"images/skipped": len(manifest.skipped), "time/total_s": round(time.perf_counter() - started, 2)}
    write_json(out / "metrics.json", metrics)
    log.info(
        f"Accuracy {metrics['test/accuracy']:.4f}, macro F1 {metrics['test/macro_f1']:.4f} on {len(manifest.samples)} images"
    )
    log.info(f"Results: {out.absolute()}")
    start_log()
    return metrics


def _manifest(cfg: DictConfig) -> Manifest:
    """The images to evaluate on: those of `data.root`, or the test split the run set aside."""
    if cfg.data.root is not None:
        config = DataConfig(
            existing("data.root", cfg.data.root), on_bad_image=cfg.data.on_bad_image, max_skipped=cfg.data.max_skipped
        )
        return load_eval(config, workers(cfg.workers), progress)
    run = existing("run", cfg.run)
    if not (run / "split.csv").is_file():
        fix = "Pass data.root=FOLDER with images to evaluate on."
        raise UserError(f"run={run}", "is a bundle and has no test split of its own", fix=fix)
    data = OmegaConf.load(run / "config.yaml").data
    root = digits_folder() if data.name == "digits" else existing("data.root", data.root)
    return load_test_split(run / "split.csv", root, workers(cfg.workers), progress)


def _known(manifest: Manifest, predictor: Predictor) -> Manifest:
    """The table with the labels of the model, in its order."""
    unknown = sorted({sample.label for sample in manifest.samples} - set(predictor.labels))
    if unknown:
        fix = f"It knows {', '.join(predictor.labels)}."
        raise UserError("data.root", "has classes that the model does not know", got=", ".join(unknown), fix=fix)
    return replace(manifest, labels=predictor.labels)
