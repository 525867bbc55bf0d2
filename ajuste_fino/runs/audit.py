"""`audit`: every trap of a folder, named, before a second is spent on training."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table

from ajuste_fino.data import traps
from ajuste_fino.data.source import Source
from ajuste_fino.data.survey import SPLITS, Survey, survey
from ajuste_fino.data.traps.finding import Finding
from ajuste_fino.errors import UserError, some
from ajuste_fino.files import cache_folder, write_json, write_text
from ajuste_fino.runs.configuration import needed, numbers
from ajuste_fino.runs.console import progress, start_log, workers
from ajuste_fino.runs.run_folder import claim, empty
from ajuste_fino.runs.source import OPTIONAL, RULES, source

STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}
SHOWN = 3  # files of a finding on the screen; audit.json has all


def audit(cfg: DictConfig, out: Path) -> dict[str, Any]:
    """Show a table of all that is wrong or odd, write it to `audit.json` in `out`; return what was written.

    Raises:
        UserError: at the end, where something would stop training; and for a mistake in the configuration.
    """
    needed(cfg)
    numbers(cfg, RULES | {key: rule for key, rule in OPTIONAL.items() if OmegaConf.select(cfg, key) is not None})
    empty(out)
    start_log()
    where = source(cfg.data)
    surveyed, found = look(where, cfg.seed, workers(cfg.workers))
    report = {"root": str(where.root), **_counts(surveyed), "findings": [one.facts() for one in found]}
    claim(out)
    write_text(out / "config.yaml", OmegaConf.to_yaml(cfg, resolve=True))
    write_json(out / "audit.json", report)
    _show(surveyed, found)
    Console().print(f"All of it: {(out / 'audit.json').absolute()}", soft_wrap=True, markup=False, highlight=False)
    _conclude(where, found)
    return report


def look(where: Source, seed: int, processes: int) -> tuple[Survey | None, list[Finding]]:
    """The survey of a folder and its findings; no survey where the layout is none."""
    try:
        surveyed = survey(where, seed, processes, progress)
    except UserError as error:
        return None, [Finding("layout", "error", *error.parts)]
    found = traps.findings(surveyed, traps.AUDIT)
    if any((cache_folder() / "features").glob("*/*.npy")):
        from ajuste_fino.features.near import near_by_features  # brings torch, which nothing else here needs

        found += near_by_features(surveyed)
    return surveyed, found


def _counts(surveyed: Survey | None) -> dict[str, Any]:
    if surveyed is None:
        return {"pictures": 0, "classes": {}}
    count = Counter((sample.label, sample.split) for sample in surveyed.samples)
    classes = {label: {split: count[label, split] for split in SPLITS} for label in surveyed.labels}
    return {"pictures": len(surveyed.samples), "classes": classes}


def _show(surveyed: Survey | None, found: Sequence[Finding]) -> None:
    console = Console()
    if surveyed:
        sizes = ", ".join(f"{len(surveyed.of(split))} {split}" for split in SPLITS)
        console.print(f"{len(surveyed.samples)} pictures of {len(surveyed.labels)} classes: {sizes}", highlight=False)
    if not found:
        console.print("No trap was found.")
        return
    table = Table("level", "trap", "what, and what to do", show_lines=True)
    for one in found:
        files = f"\n{some(list(one.files), SHOWN)}" if one.files else ""
        table.add_row(one.level, one.trap, f"{one.sentence}{files}", style=STYLES[one.level])
    console.print(table, markup=False)


def _conclude(where: Source, found: Sequence[Finding]) -> None:
    errors = [one.trap for one in found if one.level == "error"]
    if errors:
        fix = f"Mend first: {', '.join(errors)}."
        raise UserError(f"data.root={where.root}", f"has {len(errors)} traps that would stop training", fix=fix)
