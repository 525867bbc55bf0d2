"""`data`: whether more photographs would help, which labels look wrong, a map, near duplicates and odd images, in one page."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from ajuste_fino.choose.heads import basis
from ajuste_fino.errors import Range, counted
from ajuste_fino.escape import printable
from ajuste_fino.files import write_json
from ajuste_fino.insight.curve import FEWEST
from ajuste_fino.insight.projection import require_way
from ajuste_fino.insight.suspects import require_cleanlab
from ajuste_fino.predict import load
from ajuste_fino.report.data_page import Shown, write_data_page
from ajuste_fino.runs import improve_sections as sections
from ajuste_fino.runs.configuration import trusted, validate_ranges
from ajuste_fino.runs.console import WORKERS, log, run_log, workers
from ajuste_fino.runs.grammar import literal, verbatim
from ajuste_fino.runs.latest import find_run
from ajuste_fino.runs.own_features import learnt
from ajuste_fino.runs.run_folder import open_run, require_empty

RANGES = {
    "draws": Range(int, FEWEST, 200),
    "suspects": Range(int, 0, 5000),
    "thumbnails": Range(int, 1, 5000),
    "workers": WORKERS,
    "seed": Range(int, 0, 2**63 - 1),
}
GAINING = 3  # classes that the log names


@run_log()
def data(cfg: DictConfig, out: Path) -> dict[str, Any]:
    """Write `data.html`, `data.json`, `plots/learning_curve.png` and `suspects.csv` into `out`; return what `data.json` has.

    Nothing of the user's images is written or moved, and no image of the test split is looked at.

    Raises:
        UserError: where there is no such run, its images are gone or changed, or a library is not installed.
    """
    started = time.perf_counter()
    validate_ranges(cfg, RANGES)
    require_empty(out, cfg)
    require_way(cfg.map)
    if cfg.suspects:
        require_cleanlab()
    cfg.run = verbatim(str(find_run(str(cfg.run))))
    predictor = load(cfg.run, cfg.trainer.accelerator, trusted(cfg))
    found = learnt(cfg, predictor)
    out = open_run(out, cfg)
    shown = Shown(workers(cfg.workers), predictor.preprocessing.depth)
    work = sections.Work(cfg, predictor, found, basis(found.features), shown, out)
    report: dict[str, Any] = {"run": str(cfg.run), "images": {"train": found.train, "val": found.val}}
    made: dict[str, Any] = {"run": Path(cfg.run).name, "about": _about(work)}
    for name in sections.NAMES:
        made[name], numbers = getattr(sections, name)(work)
        report |= numbers
    write_data_page(out / "data.html", **made)
    report["time/total_s"] = round(time.perf_counter() - started, 2)
    write_json(out / "data.json", report)
    _tell(work, report)
    return report


def _about(work: sections.Work) -> str:
    found, predictor = work.found, work.predictor
    what = f"{counted(found.train, 'training image')} and {counted(found.val, 'validation image')}"
    return f"{what} of {len(predictor.labels)} classes, by the features of {predictor.spec.name}."


def _tell(work: sections.Work, report: dict[str, Any]) -> None:
    curve, out = report["learning_curve"], work.out
    if work.warning:
        log.warning(work.warning)
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
