"""`compare`: several runs in one table and one figure, and what each gains over the first, image by image."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from rich.table import Column, Table

from ajuste_fino.console import log, screen
from ajuste_fino.errors import UserError
from ajuste_fino.escape import printable
from ajuste_fino.files import read_csv, write_csv
from ajuste_fino.runs.console import start_log
from ajuste_fino.runs.latest import find_run
from ajuste_fino.runs.multirun import Job, write
from ajuste_fino.runs.run_folder import create_run_dir, require_empty, save_config
from ajuste_fino.runs.saved import leaves, read
from ajuste_fino.runs.unchanged import is_harmless
from ajuste_fino.scores import paired_difference

COLUMNS = ("run", "images", "accuracy", "difference", "standard error")


def compare(cfg: DictConfig, out: Path) -> list[dict[str, Any]]:
    """Write `compare.csv`, `compare.png` and `differences.csv`; return the rows of the last.

    Raises:
        UserError: where a folder is no run that was finished, or fewer than two are given.
    """
    require_empty(out, cfg)
    start_log()
    jobs = [_job(find_run(str(one), "runs")) for one in _named(cfg.runs)]
    names = _short_names([job.folder for job in jobs])
    right = [_right(job.folder) for job in jobs]
    out = create_run_dir(out, cfg)
    save_config(out, cfg)
    write(out, jobs, "compare", names)
    rows = [_row(name, one, right[0]) for name, one in zip(names, right, strict=True)]
    write_csv(out / "differences.csv", COLUMNS, [list(row.values()) for row in rows])
    _show(rows, names[0])
    return rows


def _named(value: Any) -> list[Any]:
    found = list(value) if OmegaConf.is_list(value) else [value]
    if len(found) < 2:
        fix = "Pass them as words: ajuste-fino compare runs/a runs/b."
        raise UserError("runs", "must name at least two runs", got=", ".join(map(str, found)), fix=fix)
    return found


def _job(folder: Path) -> Job:
    """A finished run, with every key that decides something as an override."""
    metrics = folder / "metrics.json"
    if not metrics.is_file():
        raise UserError("runs", "must be folders of finished runs", got=folder, fix="Pass folders that have a metrics.json.")
    saved = leaves(read("runs", folder / "config.yaml"))
    overrides = [f"{key}={value}" for key, value in saved if not is_harmless(key)]
    return Job(overrides, folder, json.loads(metrics.read_text(encoding="utf-8")))


def _short_names(folders: list[Path]) -> list[str]:
    """The names of the folders, with those above them where two are equal."""
    names = [folder.name for folder in folders]
    return names if len(set(names)) == len(names) else [str(folder) for folder in folders]


def _right(run: Path) -> dict[tuple[str, str], bool]:
    """Of each image that judged a run, by its content and its label, whether its prediction is right."""
    table = next((path for name in ("test", "val") if (path := run / f"predictions_{name}.csv").is_file()), None)
    if table is None:
        raise UserError("runs", "must be runs with a table of predictions", got=run, fix="Pass runs of train.")
    contents = {row["file"]: row["sha256"] for row in read_csv(run / "split.csv")}
    return {(contents[row["file"]], row["label"]): row["predicted"] == row["label"] for row in read_csv(table)}


def _row(name: str, right: Mapping[tuple[str, str], bool], first: Mapping[tuple[str, str], bool]) -> dict[str, Any]:
    row: dict[str, Any] = {"run": name, "images": len(right), "accuracy": f"{sum(right.values()) / len(right):.4f}"}
    if right.keys() != first.keys():
        return row | {"difference": "other images", "standard error": ""}
    difference, error = paired_difference(first, right)
    return row | {"difference": f"{difference:+.4f}", "standard error": f"{error:.4f}"}


def _show(rows: list[dict[str, Any]], first: str) -> None:
    table = Table(*(Column(name, overflow="fold") for name in COLUMNS), title=f"Against {printable(first)}, image by image")
    for row in rows:
        table.add_row(*(printable(str(cell)) for cell in row.values()))
    screen().print(table)
    if any(row["difference"] == "other images" for row in rows):
        log.warning("Some runs were judged on other images than the first: their accuracies say little about which is better.")
