"""`audit`: name every trap of a folder, before any time is spent on training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from rich.table import Column, Table

from ajuste_fino.console import screen
from ajuste_fino.data import traps
from ajuste_fino.data.config import DataConfig
from ajuste_fino.data.decoding import decode_all
from ajuste_fino.data.inspection import Inspection, inspect_folder
from ajuste_fino.data.manifest import summary
from ajuste_fino.data.sample import SPLITS
from ajuste_fino.data.traps.finding import Finding
from ajuste_fino.errors import UserError, counted
from ajuste_fino.escape import printable
from ajuste_fino.files import in_cache, write_json
from ajuste_fino.runs.configuration import validate_ranges
from ajuste_fino.runs.console import WORKERS, progress, start_log, workers
from ajuste_fino.runs.data import data_config
from ajuste_fino.runs.run_folder import create_run_dir, require_empty, save_config

RANGES = {"workers": WORKERS, **DataConfig.RANGES}
STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}
LAYOUT = "layout"  # the trap of a folder of which nothing more can be known
SHOWN = 3  # files of a finding on the screen; audit.json has all


def audit(cfg: DictConfig, out: Path) -> dict[str, Any]:
    """Show a table of all that is wrong or odd, write it to `audit.json` in `out`; return what was written.

    Raises:
        UserError: at the end, where something would stop training; and for a mistake in the configuration.
    """
    validate_ranges(cfg, RANGES)
    require_empty(out, cfg)
    start_log()
    config = data_config(cfg)
    inspection, found = inspect(config, workers(cfg.workers))
    report = summary(config.root, *((inspection.samples, inspection.labels) if inspection else ([], [])), found)
    out = create_run_dir(out, cfg)
    save_config(out, cfg)
    write_json(out / "audit.json", report)
    _show(inspection, found)
    screen().print(f"All of it: {printable(str((out / 'audit.json').absolute()))}", soft_wrap=True)
    _conclude(config, found)
    return report


def inspect(config: DataConfig, processes: int) -> tuple[Inspection | None, list[Finding]]:
    """Inspect, decode and split a folder, and apply all rules; a folder of unknown layout gives one finding."""
    try:
        inspection = inspect_folder(config, processes, progress)
        stream = decode_all(inspection.samples, processes, progress, strict=False, depth=config.depth)
        inspection = inspection.with_decoded(stream).with_splits()
    except UserError as error:
        return None, [Finding(LAYOUT, "error", *error.parts)]
    found = traps.findings(inspection, traps.AUDIT)
    if in_cache("features/*/*.npy"):
        from ajuste_fino.features.near_duplicates import near_duplicates  # brings torch, which nothing else here needs

        found += near_duplicates(inspection)
    return inspection, found


def _show(inspection: Inspection | None, found: Sequence[Finding]) -> None:
    console = screen()
    if inspection:
        sizes = ", ".join(f"{len(inspection.split(split)):,} {split}" for split in SPLITS)
        console.print(f"{len(inspection.samples):,} images of {len(inspection.labels)} classes: {sizes}")
    if not found:
        console.print("No trap was found.")
        return
    table = Table("level", "trap", Column("what, and what to do", overflow="fold"), show_lines=True)
    for one in found:
        table.add_row(one.level, one.trap, f"{one.sentence}{one.listed(SHOWN)}", style=STYLES[one.level])
    console.print(table)


def _conclude(config: DataConfig, found: Sequence[Finding]) -> None:
    errors = [one.trap for one in found if one.level == "error"]
    if errors:
        fix = f"Fix first: {', '.join(errors)}."
        if errors == [LAYOUT]:
            fix += " Nothing else was looked at until then."
        raise UserError(f"data.root={config.root}", f"has {counted(len(errors), 'problem')} that would stop training", fix=fix)
