"""`data`: whether more photographs would help, which labels look wrong, a map, near duplicates and odd images, in one page."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from ajuste_fino.errors import counted
from ajuste_fino.escape import printable
from ajuste_fino.files import write_csv, write_json, write_text
from ajuste_fino.own_tables import SUSPECTS
from ajuste_fino.predict import load
from ajuste_fino.report.data_page import data_page
from ajuste_fino.report.html import page_texts
from ajuste_fino.runs.configuration import trusted
from ajuste_fino.runs.console import log, run_log
from ajuste_fino.runs.grammar import literal, verbatim
from ajuste_fino.runs.insight_parts import Work
from ajuste_fino.runs.insights import examine, require
from ajuste_fino.runs.latest import find_run
from ajuste_fino.runs.run_folder import open_run, require_empty

GAINING = 3  # classes that the log names


@run_log()
def data(cfg: DictConfig, out: Path) -> dict[str, Any]:
    """Write `data.html`, `data.json` and `suspects.csv` into `out`; return what `data.json` has.

    Nothing of the user's images is written or moved, and no image of the test split is looked at.

    Raises:
        UserError: where there is no such run, its images are gone or changed, or a library is not installed.
    """
    started = time.perf_counter()
    require_empty(out, cfg)
    require(cfg)
    cfg.run = verbatim(str(find_run(str(cfg.run))))
    work = Work.of(cfg, load(cfg.run, cfg.trainer.accelerator, trusted(cfg)))
    out = open_run(out, cfg)
    found, numbers = examine(work)
    if "labels" in found:
        write_csv(out / "suspects.csv", SUSPECTS, _table(found["labels"]["suspects"]))
        found["labels"]["table"] = True
    write_text(out / "data.html", data_page(cfg.lang, Path(cfg.run).name, work.predictor.spec.name, found))
    report = {"run": str(cfg.run), "images": {"train": work.found.train, "val": work.found.val}, **numbers}
    report["time/total_s"] = round(time.perf_counter() - started, 2)
    write_json(out / "data.json", report)
    _tell(work, report, out)
    return report


def _table(suspects: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """The rows of `suspects.csv`, whose column `corrected` is for the user to fill in."""
    return [(one["file"], one["label"], one["suggested"], f"{one['score']:.4f}", "", one["sha256"]) for one in suspects]


def _tell(work: Work, report: dict[str, Any], out: Path) -> None:
    curve = report["learning_curve"]
    if work.trained_backbone:
        log.warning(page_texts("en", "data")("trained_backbone"))
    log.info(
        f"With all {work.found.train:,} training images {curve['now']:.1%} of the {work.found.val:,} validation images are "
        f"right; with twice as many {curve['twice']:.1%} are expected, 95 % interval {curve['low']:.1%} to {curve['high']:.1%}"
    )
    log.info(f"Classes that would gain most: {_gains(curve['by_class'])}")
    if "suspects" in report:
        one, table = report["suspects"], out / "suspects.csv"
        log.info(f"About {one['estimated']:,} of {len(work.found.samples):,} labels seem to be wrong")
        log.info(f"{table} lists the {one['listed']:,} likeliest. Fill in its column corrected, then put it to use by:")
        log.info(f"ajuste-fino train config={literal(str(work.cfg.run))} data.corrections={literal(str(table))}")
    pairs = report["near_duplicates"]
    said = "The features do not tell images apart" if pairs is None else f"Near duplicates: {counted(pairs['pairs'], 'pair')}"
    log.info(f"{said}. {report['time/total_s']:.1f} s, imports aside. Page: {(out / 'data.html').absolute()}")


def _gains(rows: Sequence[dict[str, Any]]) -> str:
    """The first classes, in words."""
    said = []
    for row in [row for row in rows if row["accuracy"] is not None][:GAINING]:
        gain, low, high = (100 * row[name] for name in ("gain", "gain_low", "gain_high"))
        said.append(f"{printable(row['label'])} {gain:+.1f} points ({low:+.1f} to {high:+.1f})")
    return ", ".join(said)
