"""`predict`: pictures in, a table out."""

import os
from collections.abc import Sequence
from math import inf
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table

from ajuste_fino.data.images import BadImage
from ajuste_fino.errors import UserError, some
from ajuste_fino.files import write_csv, write_json
from ajuste_fino.predict import Prediction, images, load
from ajuste_fino.runs.configuration import needed, numbers
from ajuste_fino.runs.console import progress, start_log, workers
from ajuste_fino.runs.parts import trusted

MOST = 50  # rows on the screen; the files hold all


def predict(cfg: DictConfig) -> dict[str, Any]:
    """Show a table, write it where `csv=` and `json=` say.

    Raises:
        UserError: where there is no such run or picture; after the rest is done, where some were no pictures.
    """
    needed(cfg)
    numbers(cfg, {"top": (int, 1, inf)})
    start_log()
    paths = images([str(one) for one in cfg.images] if OmegaConf.is_list(cfg.images) else str(cfg.images))
    predictor = load(cfg.run, cfg.trainer.accelerator, trusted(cfg))
    chances, bad = predictor.probabilities(paths, workers=workers(cfg.workers) if len(paths) > 64 else 0, progress=progress)
    good = [path for position, path in enumerate(paths) if position not in bad]
    predictions = [predictor.prediction(row, cfg.top) for row in chances]
    _show(good, predictions)
    _write(cfg, good, predictions)
    if bad:
        raise _refused(list(bad.values()), len(paths))
    return {"images": len(good)}


def _show(paths: Sequence[Path], predictions: Sequence[Prediction]) -> None:
    base = os.path.commonpath([path.parent for path in paths]) if paths else ""
    table = Table(title=f"in {base}", title_justify="left")
    for name in ("picture", "label", "probability", "then"):
        table.add_column(name, overflow="fold")
    for path, one in list(zip(paths, predictions, strict=True))[:MOST]:
        then = ", ".join(f"{label} {p:.3f}" for label, p in one.top[1:])
        table.add_row(str(path.relative_to(base)), one.label, f"{one.probability:.3f}", then)
    console = Console()
    console.print(table, markup=False)
    if len(paths) > MOST:
        console.print(f"… and {len(paths) - MOST} more; csv=FILE or json=FILE writes them all.")


def _write(cfg: DictConfig, paths: Sequence[Path], predictions: Sequence[Prediction]) -> None:
    rows = list(zip(paths, predictions, strict=True))
    if cfg.csv:
        write_csv(
            Path(cfg.csv).expanduser(),
            ("file", "label", "probability"),
            ([str(path), p.label, f"{p.probability:.6f}"] for path, p in rows),
        )
    if cfg.json:
        write_json(
            Path(cfg.json).expanduser(),
            [{"file": str(path), "label": p.label, "probability": p.probability, "top": dict(p.top)} for path, p in rows],
        )


def _refused(bad: Sequence[BadImage], total: int) -> UserError:
    fix = f"The others are done. Not pictures:\n{some([str(one) for one in bad])}"
    return UserError("images", f"holds {len(bad)} of {total} files that cannot be decoded", fix=fix)
