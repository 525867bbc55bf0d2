"""Fine-tuning from Python: the same run as `ajuste-fino train`, one call."""

import os
from collections.abc import Mapping, Sequence
from numbers import Number
from typing import Any

from ajuste_fino.console import console
from ajuste_fino.errors import UserError
from ajuste_fino.places import user_path
from ajuste_fino.predict import Predictor, load
from ajuste_fino.ranks import Elsewhere
from ajuste_fino.runs import launch
from ajuste_fino.runs.configuration import compose
from ajuste_fino.runs.grammar import literal
from ajuste_fino.runs.train import train


def fine_tune(root: str | os.PathLike[str] | None = None, /, **keys: Any) -> Predictor:
    """Train a head on a folder of images; the trained model, with the run's metrics as `.metrics`.

    Args:
        root: the folder or CSV, or its address, as `data.root`; without it the embedded digits. For other sources give their
            name as well, `data="parquet"`.
        keys: any key of `ajuste-fino train`, those with a dot as `**{"head.hidden": 256}`: `backbone="resnet18"`,
            `optimizer="adam"`, `epochs=20`, `out="runs/mine"`; `config="runs/mine"` repeats a run, and `resume="runs/mine"`,
            without a root, goes on with one that was stopped.

    With `trainer.devices` above 1 the program is started again for each further device; those processes end inside this call.

    Raises:
        UserError: for a mistake in the keys, the folder or the weights, before anything is written.
    """
    _require_plain(root, keys)
    if root is not None and keys.get("resume") is not None:
        rule = "cannot be given with resume: a run is gone on with on its own images"
        raise UserError("The folder", rule, got=os.fspath(root), fix="Leave it out: fine_tune(resume=…).")
    kind = [] if "data" in keys else ["data=folder"]
    data = [] if root is None else [*kind, f"data.root={literal(os.fspath(root))}"]
    cfg = compose("train", [*data, *(f"{key}={literal(value)}" for key, value in keys.items())])
    console.quiet = launch.follows(cfg)
    try:
        train(cfg, user_path("out", cfg.out))
    except Elsewhere:
        if not launch.follows(cfg):
            raise
    if launch.follows(cfg):
        raise SystemExit(0)  # the first process goes on with the program alone
    return load(user_path("out", cfg.out), cfg.trainer.accelerator, list(cfg.trust))


def _require_plain(root: object, keys: Mapping[str, object]) -> None:
    if not isinstance(root, str | os.PathLike | None):
        raise UserError("The folder", "must be a path", got=type(root).__name__, fix="Pass a folder or a CSV file.")
    if root is not None and not os.fspath(root):
        raise UserError("The folder", "must be a path", got="an empty text", fix="Pass a folder or a CSV file.")
    for key, value in keys.items():
        plain = isinstance(value, str | os.PathLike | Number | Sequence | Mapping | None)
        if not plain or isinstance(value, bytes | bytearray | memoryview):
            fix = "Pass a name, a number, a list or a dictionary."
            raise UserError(key, "must be a plain value", got=type(value).__name__, fix=fix)
    if keys.get("out", "") is None:
        raise UserError("out", "must be a path", got="None", fix="Leave it out for a folder named by the time.")
