"""`predict`: print and write a table of predictions."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from rich.table import Table
from torch import Tensor

from ajuste_fino.console import log, screen
from ajuste_fino.data.content import BadImage, ImageFile
from ajuste_fino.data.inputs import sources
from ajuste_fino.data.multiview import VIEWS
from ajuste_fino.errors import Range, UserError, counted, preview
from ajuste_fino.escape import printable
from ajuste_fino.files import growing_csv, writable, write_json
from ajuste_fino.places import require_path
from ajuste_fino.predict import Prediction, Predictor, load
from ajuste_fino.runs.configuration import validate_ranges
from ajuste_fino.runs.console import WORKERS, progress, start_log, workers
from ajuste_fino.runs.factories import trusted
from ajuste_fino.runs.latest import find_run

MOST = 50  # rows on the screen; the files hold all
WIDE = 100  # columns of a screen on which the next labels are shown, too
Write = Callable[[Prediction, Tensor], None]


def predict(cfg: DictConfig, out: Path) -> dict[str, Any]:
    """Show a table, write it where `csv=` and `json=` say.

    Raises:
        UserError: where there is no such run or image, or a file cannot be written; after the rest is done, where some images
            cannot be decoded.
    """
    validate_ranges(cfg, {"top": Range(int, 1), "tta": VIEWS, "workers": WORKERS})
    start_log()
    images = given_images(cfg.images)
    table, summary = _targets(cfg, [image.path for image in images])
    predictor = load(find_run(str(cfg.run)), cfg.trainer.accelerator, trusted(cfg))
    done, bad = list[Prediction](), dict[int, BadImage]()
    if views := predictor.multiview(cfg.tta):
        log.info(views.summary())
    stream = predictor.batches(images, workers=workers(cfg.workers), progress=progress, tta=cfg.tta)
    with _rows(table, predictor, cfg.probabilities) as write, closing(stream):
        for scores in stream:
            bad |= scores.bad
            for row, position in enumerate(scores.positions):
                one = predictor.prediction(*scores.of(row), cfg.top, images[position])
                write(one, scores.probabilities[row])
                if summary or len(done) < MOST:
                    done.append(one)
    if summary:
        write_json(summary, [{"file": str(one.file), **_plain(one)} for one in done])
    if done:
        _show(done, [image.path for position, image in enumerate(images) if position not in bad])
    for path in (table, summary):
        if path:
            log.info(f"Written: {path} ({counted(len(images) - len(bad), 'image')})")
    if bad:
        raise _refused([bad[position] for position in sorted(bad)], len(images))
    return {"images": len(images)}


def given_images(value: object) -> list[ImageFile]:
    """The images that `images=` names, in their order."""
    require_path("images", value)
    given = _texts(OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value)
    found = sources(given)
    if found == []:
        raise UserError("images", "must name at least one image", got="[]", fix="Pass a file, a folder or a pattern.")
    return found if isinstance(found, list) else [found]  # type: ignore[return-value, list-item]  # of texts, all are files


def _texts(value: object) -> Any:
    return [_texts(one) for one in value] if isinstance(value, list) else str(value)


def _targets(cfg: DictConfig, images: Sequence[Path]) -> list[Path | None]:
    """The files of `csv=` and `json=`, which can be written, are two, and are none of the images."""
    if cfg.probabilities not in ("top", "all"):
        raise UserError("probabilities", "must be top or all", got=cfg.probabilities, fix="all: a column for each class.")
    if cfg.probabilities == "all" and cfg.csv is None:
        raise UserError("probabilities=all", "is for the CSV file", fix="Pass csv=FILE as well.")
    found = [None if cfg[key] is None else writable(key, str(cfg[key])) for key in ("csv", "json")]
    for key, path in zip(("csv", "json"), found, strict=True):
        if path is not None and (path in images or found.count(path) > 1):
            raise UserError(key, "must be a file of its own", got=path, fix="Pass another name.")
    return found


@contextmanager
def _rows(path: Path | None, predictor: Predictor, kind: str) -> Iterator[Write]:
    """A function that writes a prediction and its probabilities (C,) as a row of the CSV file, if there is one."""
    if path is None:
        yield lambda one, probabilities: None
        return
    apart = ["disagreement"] if predictor.is_ensemble else []
    classes = [f"p:{label}" for label in predictor.labels] if kind == "all" else []
    with growing_csv(path, ["file", "label", "probability", *apart, *classes]) as write:

        def row(one: Prediction, probabilities: Tensor) -> None:
            each = [f"{p:.6f}" for p in probabilities.tolist()] if classes else []
            write([str(one.file), one.label, f"{one.probability:.6f}", *_disagreement(one, ".6f"), *each])

        yield row


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
        table.add_row(file, printable(one.label), f"{one.probability:.3f}", *_disagreement(one, ".2f"), *then)
    console.print(table)
    if len(paths) > MOST:
        console.print(f"… and {len(paths) - MOST} more; csv=FILE and json=FILE have all.")


def _plain(one: Prediction) -> dict[str, Any]:
    apart = {} if one.disagreement is None else {"disagreement": one.disagreement}
    return {"label": one.label, "probability": one.probability, **apart, "top": dict(one.top)}


def _disagreement(one: Prediction, how: str) -> list[str]:
    """The table cell of an ensemble's disagreement; nothing for a single head."""
    return [] if one.disagreement is None else [format(one.disagreement, how)]


def _refused(bad: Sequence[BadImage], total: int) -> UserError:
    done = "The others are done. " if len(bad) < total else ""
    fix = f"{done}These cannot be decoded:\n{preview([str(one) for one in bad])}"
    return UserError("images", f"has {counted(len(bad), 'file')} of {total} that cannot be decoded", fix=fix)
