"""`cache show|prune|compact`: show the feature cache, make it smaller, or store it in fewer files."""

from datetime import datetime
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from rich.table import Column, Table

from ajuste_fino.console import screen
from ajuste_fino.errors import Range, counted
from ajuste_fino.escape import printable
from ajuste_fino.features import cache as features
from ajuste_fino.files import cache_folder
from ajuste_fino.runs.configuration import validate_ranges
from ajuste_fino.runs.console import log, start_log

GIB = 2**30


def cache(cfg: DictConfig, out: Path) -> dict[str, Any]:
    """Do the action that is named after the verb, then show what the cache holds.

    Raises:
        UserError: for a limit that is none.
    """
    start_log()
    name = cfg.command.name
    if name == "prune":
        validate_ranges(cfg, {"limit_gb": Range(float, 0)})
        removed = features.prune(cfg.limit_gb * GIB)
        log.info(f"Removed {counted(len(removed), 'file')}.")
    elif name == "compact":
        log.info(f"The cache has {counted(features.compact(), 'file')} fewer.")
    return _show()


def _show() -> dict[str, Any]:
    found = features.spaces()
    right = [Column(name, justify="right") for name in ("features", "of images", "MiB", "files")]
    table = Table(
        Column("backbone", overflow="fold"),
        "cut after",
        *right,
        "written",
        title=printable(str(cache_folder() / features.FOLDER)),
        title_justify="left",
    )
    for space in found:
        cut = space.about.get("cut", {})
        layer = str(cut.get("trunk") or cut.get("tap") or "–").removeprefix("features.")
        written = f"{datetime.fromtimestamp(space.written):%Y-%m-%d %H:%M}"
        shape = " × ".join(map(str, space.shape))
        size = f"{space.bytes / 2**20:,.0f}"
        table.add_row(cut.get("name", "?"), layer, shape, f"{space.rows:,}", size, str(space.files), written)
    screen().print(table)
    total = sum(space.bytes for space in found)
    screen().print(f"{total / GIB:.2f} GiB in all. ajuste-fino cache prune limit_gb=1 keeps the newest GiB.")
    return {"cache/bytes": total, "cache/rows": sum(space.rows for space in found)}
