"""`evaluate`: a trained model judged on its own test split, or on other pictures."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ajuste_fino.data.digits import digits_folder
from ajuste_fino.data.images import changed
from ajuste_fino.data.prepare import Table, set_aside, to_judge
from ajuste_fino.data.source import Source
from ajuste_fino.errors import UserError
from ajuste_fino.files import existing, write_json, write_text
from ajuste_fino.predict import Predictor, load
from ajuste_fino.runs.configuration import needed
from ajuste_fino.runs.console import log, progress, start_log, workers
from ajuste_fino.runs.parts import trusted
from ajuste_fino.runs.run_folder import claim, empty
from ajuste_fino.runs.train import judge


def evaluate(cfg: DictConfig, out: Path) -> dict[str, Any]:
    """Write `predictions_test.csv`, `metrics.json` and the confusion matrix into `out`; return the figures.

    Raises:
        UserError: where there is no such run or folder, or the folder has classes that the model does not know.
    """
    started = time.perf_counter()
    needed(cfg)
    empty(out)
    start_log()
    predictor = load(cfg.run, cfg.trainer.accelerator, trusted(cfg))
    table = _known(_table(cfg), predictor)
    claim(out)
    start_log(out / "log.txt")
    write_text(out / "config.yaml", OmegaConf.to_yaml(cfg, resolve=True))
    for warning in table.warnings:
        log.warning(warning)
    scores = predictor.scores([s.path for s in table.samples], workers=workers(cfg.workers), progress=progress)
    if scores.bad:
        raise changed(next(iter(scores.bad.values())))
    figures = judge(table, scores.probabilities, out / "predictions_test.csv", out / "plots")
    figures |= {"images/skipped": len(table.skipped), "time/total_s": round(time.perf_counter() - started, 2)}
    write_json(out / "metrics.json", figures)
    log.info(
        f"Accuracy {figures['test/accuracy']:.4f}, macro F1 {figures['test/macro_f1']:.4f} on {len(table.samples)} pictures"
    )
    log.info(f"Results: {out.absolute()}")
    start_log()
    return figures


def _table(cfg: DictConfig) -> Table:
    """The pictures to judge by: those of `data.root`, or the test split the run set aside."""
    if cfg.data.root is not None:
        source = Source(
            existing("data.root", cfg.data.root), on_bad_image=cfg.data.on_bad_image, max_skipped=cfg.data.max_skipped
        )
        return to_judge(source, workers(cfg.workers), progress)
    run = existing("run", cfg.run)
    if not (run / "split.csv").is_file():
        fix = "Pass data.root=FOLDER with pictures to judge by."
        raise UserError(f"run={run}", "is a bundle and has no test split of its own", fix=fix)
    data = OmegaConf.load(run / "config.yaml").data
    root = digits_folder() if data.name == "digits" else existing("data.root", data.root)
    return set_aside(run / "split.csv", root, workers(cfg.workers), progress)


def _known(table: Table, predictor: Predictor) -> Table:
    """The table with the labels of the model, in its order."""
    unknown = sorted({sample.label for sample in table.samples} - set(predictor.labels))
    if unknown:
        fix = f"It knows {', '.join(predictor.labels)}."
        raise UserError("data.root", "has classes that the model does not know", got=", ".join(unknown), fix=fix)
    return replace(table, labels=predictor.labels)
