"""`predict`: print and write a table of predictions."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table

from ajuste_fino.data.images import BadImage, ImageFile
from ajuste_fino.errors import Range, UserError, preview
from ajuste_fino.files import write_csv, write_json
from ajuste_fino.predict import Prediction, images, load
from ajuste_fino.runs.configuration import require_keys, validate_ranges
from ajuste_fino.runs.console import WORKERS, progress, start_log, workers
from ajuste_fino.runs.factories import trusted

MOST = 50  # rows on the screen; the files hold all


def predict(cfg: DictConfig, out: Path) -> dict[str, Any]:
    """Show a table, write it where `csv=` and `json=` say.

    Raises:
        UserError: where there is no such run or image; after the rest is done, where some were no images.
    """
    require_keys(cfg)
    validate_ranges(cfg, {"top": Range(int, 1), "workers": WORKERS})
    start_log()
    paths = images([str(one) for one in cfg.images] if OmegaConf.is_list(cfg.images) else str(cfg.images))
    predictor = load(cfg.run, cfg.trainer.accelerator, trusted(cfg))
    files = [ImageFile(path) for path in paths]
    scores = predictor.scores(files, workers=workers(cfg.workers) if len(paths) > 64 else 0, progress=progress)
    good = [path for position, path in enumerate(paths) if position not in scores.bad]
    predictions = [predictor.prediction(*scores.of(row), cfg.top) for row in range(len(good))]
    _show(good, predictions)
    _write(cfg, good, predictions)
    if scores.bad:
        raise _refused(list(scores.bad.values()), len(paths))
    return {"images": len(good)}


def _show(paths: Sequence[Path], predictions: Sequence[Prediction]) -> None:
    base = os.path.commonpath([path.parent for path in paths]) if paths else ""
    table = Table(title=f"in {base}", title_justify="left")
    for name in ("image", "label", "probability", *(["disagreement"] if _of_ensemble(predictions) else []), "then"):
        table.add_column(name, overflow="fold")
    for path, one in list(zip(paths, predictions, strict=True))[:MOST]:
        then = ", ".join(f"{label} {p:.3f}" for label, p in one.top[1:])
        table.add_row(str(path.relative_to(base)), one.label, f"{one.probability:.3f}", *_disagreement(one, ".2f"), then)
    console = Console()
    console.print(table, markup=False)
    if len(paths) > MOST:
        console.print(f"… and {len(paths) - MOST} more; csv=FILE or json=FILE writes them all.")


def _write(cfg: DictConfig, paths: Sequence[Path], predictions: Sequence[Prediction]) -> None:
    rows = list(zip(paths, predictions, strict=True))
    if cfg.csv:
        write_csv(
            Path(cfg.csv).expanduser(),
            ("file", "label", "probability", *(["disagreement"] if _of_ensemble(predictions) else [])),
            ([str(path), p.label, f"{p.probability:.6f}", *_disagreement(p, ".6f")] for path, p in rows),
        )
    if cfg.json:
        write_json(
            Path(cfg.json).expanduser(),
            [{"file": str(path), **_plain(p)} for path, p in rows],
        )


def _plain(one: Prediction) -> dict[str, Any]:
    apart = {} if one.disagreement is None else {"disagreement": one.disagreement}
    return {"label": one.label, "probability": one.probability, **apart, "top": dict(one.top)}


def _of_ensemble(predictions: Sequence[Prediction]) -> bool:
    return any(one.disagreement is not None for one in predictions)


def _disagreement(one: Prediction, how: str) -> list[str]:
    """The table cell of an ensemble's disagreement; nothing for a single head."""
    return [] if one.disagreement is None else [format(one.disagreement, how)]


def _refused(bad: Sequence[BadImage], total: int) -> UserError:
    fix = f"The others are done. Not images:\n{preview([str(one) for one in bad])}"
    return UserError("images", f"holds {len(bad)} of {total} files that cannot be decoded", fix=fix)
