"""The files that `predict` writes: which there are, and a row of each for a prediction, as soon as it is made."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from torch import Tensor

from ajuste_fino.errors import UserError
from ajuste_fino.files import writable
from ajuste_fino.growing import growing_csv, growing_json, growing_jsonl
from ajuste_fino.parquet import growing_parquet, require_pyarrow
from ajuste_fino.predict import Prediction, Predictor

KEYS = ("csv", "json", "jsonl", "parquet")
WITH_CLASSES = ("csv", "parquet")  # which have a column for each class
NEW = ("unknown", "distance")
Write = Callable[[Prediction, Tensor], None]


def targets(cfg: DictConfig, images: Sequence[Path]) -> dict[str, Path]:
    """The files to write, by their keys; they can be written, differ from one another, and are none of the images.

    Raises:
        UserError: where that is not so.
    """
    if cfg.probabilities not in ("top", "all"):
        raise UserError("probabilities", "must be top or all", got=cfg.probabilities, fix="all: a column for each class.")
    if cfg.probabilities == "all" and all(cfg[key] is None for key in WITH_CLASSES):
        fix = "Pass csv=FILE as well. In JSON, top=1000 has as many."
        raise UserError("probabilities=all", "is for the CSV or the Parquet file", fix=fix)
    if cfg.parquet is not None:
        require_pyarrow("parquet")
    found = {key: writable(key, str(cfg[key])) for key in KEYS if cfg[key] is not None}
    taken = set(images)
    for key, path in found.items():
        if path in taken or list(found.values()).count(path) > 1:
            raise UserError(key, "must be a file of its own", got=path, fix="Pass another name.")
    return found


@contextmanager
def tables(paths: Mapping[str, Path], predictor: Predictor, every: bool) -> Iterator[Write]:
    """A function that writes a prediction and its probabilities (C,) to each of the files.

    Args:
        every: whether tables have a column for the probability of each class.
    """
    classes = [f"p:{label}" for label in predictor.labels] if every else []
    with ExitStack() as stack:
        writers = [stack.enter_context(_opened(key, path, predictor, classes)) for key, path in paths.items()]

        def write(one: Prediction, probabilities: Tensor) -> None:
            each = dict(zip(classes, probabilities.tolist(), strict=True)) if classes else {}
            for writer in writers:
                writer(one, each)

        yield write


@contextmanager
def _opened(
    key: str, path: Path, predictor: Predictor, classes: list[str]
) -> Iterator[Callable[[Prediction, Mapping[str, float]], None]]:
    columns = _columns(predictor)
    if key == "csv":
        after = [name for name in columns if name in NEW]  # so that the columns of earlier releases keep their places
        names = [*(name for name in columns if name not in ("top", *NEW)), *classes, *after]
        with growing_csv(path, names) as row:
            yield lambda one, each: row(_cells({**record(one), **each}, names))
    elif key == "parquet":
        with growing_parquet(path, {**columns, **dict.fromkeys(classes, float)}) as write:
            yield lambda one, each: write({**record(one), "top": _pairs(one), **each})
    else:
        with (growing_json if key == "json" else growing_jsonl)(path) as write:
            yield lambda one, _each: write(record(one))


def _columns(predictor: Predictor) -> dict[str, Any]:
    """The names of `record`, with the types of their values."""
    return {
        "file": str,
        "label": str,
        "probability": float,
        **({"disagreement": float} if predictor.is_ensemble else {}),
        "top": {"label": str, "probability": float},
        **({"unknown": bool, "distance": float} if predictor.novelty else {}),
    }


def record(one: Prediction) -> dict[str, Any]:
    """A prediction as JSON has it."""
    return {
        "file": str(one.file),
        "label": one.label,
        "probability": one.probability,
        **({} if one.disagreement is None else {"disagreement": one.disagreement}),
        "top": dict(one.top),
        **({} if one.distance is None else {"unknown": one.unknown, "distance": one.distance}),
    }


def _pairs(one: Prediction) -> list[dict[str, Any]]:
    return [{"label": label, "probability": p} for label, p in one.top]


def _cells(values: Mapping[str, Any], names: Sequence[str]) -> list[object]:
    """Numbers with six digits, truth values as JSON has them."""
    found = (values[name] for name in names)
    return [str(one).lower() if isinstance(one, bool) else f"{one:.6f}" if isinstance(one, float) else one for one in found]
