"""`predict`: print and write a table of predictions."""

import os
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from rich.table import Table

from ajuste_fino.console import log, screen
from ajuste_fino.data.content import BadImage, ImageFile
from ajuste_fino.data.inputs import sources
from ajuste_fino.data.multiview import VIEWS
from ajuste_fino.errors import Range, UserError, counted, preview
from ajuste_fino.escape import printable
from ajuste_fino.novelty import ACCEPTED
from ajuste_fino.places import require_path
from ajuste_fino.predict import Prediction, Predictor, load
from ajuste_fino.runs.configuration import trusted, validate_ranges
from ajuste_fino.runs.console import WORKERS, progress, start_log, workers
from ajuste_fino.runs.latest import find_run
from ajuste_fino.runs.prediction_tables import KEYS, tables, targets

MOST = 50  # rows on the screen; the files hold all
WIDE = 100  # columns of a screen on which the next labels are shown, too
STDIN = "-"  # in the place of an image: the paths on standard input


def predict(cfg: DictConfig, out: Path) -> dict[str, Any]:
    """Show a table, write it where `csv=`, `json=`, `jsonl=` and `parquet=` say.

    Raises:
        UserError: where there is no such run or image, or a file cannot be written; after the rest is done, where some images
            cannot be decoded.
    """
    validate_ranges(cfg, {"top": Range(int, 1), "tta": VIEWS, "workers": WORKERS})
    start_log()
    images = given_images(cfg.images)
    files = targets(cfg, [image.path for image in images])
    predictor = _model(cfg)
    shown, bad, unknown = list[Prediction](), dict[int, BadImage](), 0
    stream = predictor.batches(images, workers=workers(cfg.workers), progress=progress, tta=cfg.tta)
    with tables(files, predictor, cfg.probabilities == "all") as write, closing(stream):
        for scores in stream:
            bad |= scores.bad
            for row, position in enumerate(scores.positions):
                one = predictor.prediction(*scores.of(row), cfg.top, images[position])
                write(one, scores.probabilities[row])
                unknown += bool(one.unknown)
                if len(shown) < MOST:
                    shown.append(one)
    done = len(images) - len(bad)
    if shown:
        _show(shown, [image.path for position, image in enumerate(images) if position not in bad])
    _log_end(files, done, unknown)
    if bad:
        raise unreadable([bad[position] for position in sorted(bad)], len(images))
    return {"images": len(images)}


def _model(cfg: DictConfig) -> Predictor:
    """The model, and what is to be said of it."""
    predictor = load(find_run(str(cfg.run)), cfg.trainer.accelerator, trusted(cfg))
    if views := predictor.multiview(cfg.tta):
        log.info(views.summary())
    if not cfg.unknown:
        predictor.novelty = None
    elif predictor.novelty is None:
        log.info("This model cannot tell unknown images: an earlier release made it, or its training was stopped.")
    return predictor


def _log_end(files: dict[str, Path], done: int, unknown: int) -> None:
    if unknown:
        rule = f"less like the training images than {ACCEPTED:.0%} of the validation images; the label is the nearest there is"
        log.info(f"{unknown:,} of {counted(done, 'image')} unknown: {rule}.")
    for path in files.values():
        log.info(f"Written: {path} ({counted(done, 'image')})")


def given_images(value: object) -> list[ImageFile]:
    """The images that `images=` names, in their order."""
    require_path("images", value)
    given = _texts(OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value)
    given = [STDIN] if given == STDIN else given
    if isinstance(given, list) and STDIN in given:
        given = [path for one in given for path in (_piped() if one == STDIN else [one])]
    found = sources(given)
    if found == []:
        raise UserError("images", "must name at least one image", got="[]", fix="Pass a file, a folder or a pattern.")
    return found if isinstance(found, list) else [found]  # type: ignore[return-value, list-item]  # of texts, all are files


def _texts(value: object) -> Any:
    return [_texts(one) for one in value] if isinstance(value, list) else str(value)


def _piped() -> list[str]:
    """The paths on standard input, a line each, or each ended by a zero byte, as `find -print0` writes them.

    Raises:
        UserError: where there is none.
    """
    if sys.stdin.isatty():
        log.info("Reading paths from standard input, a line each; Ctrl-D ends them.")
    content = sys.stdin.buffer.read()
    parts = content.split(b"\0") if b"\0" in content else [line.rstrip(b"\r") for line in content.split(b"\n")]
    if not (found := [os.fsdecode(part) for part in parts if part.strip()]):
        fix = "Pipe paths to it, a line each: find photos -name '*.jpg' | ajuste-fino predict run=… images=-"
        raise UserError("images=-", "must have a path on standard input at least", got="none", fix=fix)
    return found


def _show(predictions: Sequence[Prediction], paths: Sequence[Path]) -> None:
    """The first rows, on the screen."""
    base = os.path.commonpath([path.parent for path in paths])
    table = Table(title=f"in {printable(base)}", title_justify="left")
    apart = ["disagreement"] if any(one.disagreement is not None for one in predictions) else []
    console = screen()
    wide = console.width >= WIDE
    for name in ("image", "label", "probability", *apart, *(["then"] if wide else [])):
        table.add_column(name, overflow="fold")
    for one in predictions[:MOST]:
        then = [", ".join(f"{printable(label)} {p:.3f}" for label, p in one.top[1:])] if wide else []
        file = printable(os.path.relpath(str(one.file), base))
        label = f"unknown (nearest: {printable(one.label)})" if one.unknown else printable(one.label)
        table.add_row(file, label, f"{one.probability:.3f}", *_disagreement(one, ".2f"), *then)
    console.print(table)
    if len(paths) > MOST:
        console.print(f"… and {len(paths) - MOST} more; a file has all: {', '.join(f'{key}=FILE' for key in KEYS)}.")


def _disagreement(one: Prediction, how: str) -> list[str]:
    """The table cell of an ensemble's disagreement; nothing for a single head."""
    return [] if one.disagreement is None else [format(one.disagreement, how)]


def unreadable(bad: Sequence[BadImage], total: int) -> UserError:
    done = "The others are done. " if len(bad) < total else ""
    fix = f"{done}These cannot be decoded:\n{preview([str(one) for one in bad])}"
    return UserError("images", f"has {counted(len(bad), 'file')} of {total} that cannot be decoded", fix=fix)
