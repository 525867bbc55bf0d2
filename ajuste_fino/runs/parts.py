"""The parts of a run, built from the configuration: data, backbone, optimizer, schedule."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn

from ajuste_fino.backbone import Backbone, build
from ajuste_fino.data.digits import digits_folder
from ajuste_fino.data.prepare import Source
from ajuste_fino.errors import UserError
from ajuste_fino.files import existing

ALLOWED = {
    "optimizer": ("torch.optim.", torch.optim.Optimizer),
    "schedule": ("torch.optim.lr_scheduler.", torch.optim.lr_scheduler.LRScheduler),
}


def source(data: DictConfig) -> Source:
    """Where the pictures are; `data.root` becomes absolute, so that the saved configuration works from anywhere."""
    data.root = str(digits_folder() if data.name == "digits" and data.root is None else existing("data.root", data.root))
    split = existing("data.split", data.split) if data.split else None
    return Source(Path(data.root), split, data.val, data.test, data.on_bad_image, data.max_skipped)


def backbone(cfg: DictConfig) -> tuple[Backbone, list[str]]:
    """The backbone with its weights, and what did not match in them."""
    tap = None if cfg.features.tap is None else str(cfg.features.tap)
    return build(str(cfg.backbone.name), str(cfg.backbone.weights), tap=tap, pool=cfg.features.pool, size=cfg.data.image_size)


def class_of(node: DictConfig, group: str) -> Callable[..., Any]:
    """The class that `_target_` names, with its arguments, waiting for the rest.

    Only classes of torch's optimizers and schedules can be named: by the name before anything is imported, and by what
    the name turns out to be. No value is instantiated in turn.

    Raises:
        UserError: for any other target, or arguments that the class does not take.
    """
    prefix, base = ALLOWED[group]
    target = str(node._target_)
    home = torch.optim.lr_scheduler if group == "schedule" else torch.optim
    found = getattr(home, target.removeprefix(prefix), None) if target.startswith(prefix) else None
    if not (isinstance(found, type) and issubclass(found, base)):
        fix = f"Pass {group}=NAME; ajuste-fino list shows the names."
        raise UserError(f"{group}._target_", f"must be a class of {prefix.rstrip('.')}", got=target, fix=fix)
    arguments = OmegaConf.to_container(node, resolve=True)
    return partial(found, **{str(k): v for k, v in arguments.items() if k != "_target_"})  # type: ignore[union-attr]


def learning(cfg: DictConfig) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Optimizer and schedule, tried on one parameter, so that a wrong argument is known before any work is done."""
    optimizer, schedule = class_of(cfg.optimizer, "optimizer"), class_of(cfg.schedule, "schedule")
    try:
        first = optimizer([nn.Parameter(torch.zeros(1))])
        rates = schedule(first)
        first.step()
        rates.step()
    except (TypeError, ValueError, ArithmeticError) as error:
        values = {**optimizer.keywords, **schedule.keywords}  # type: ignore[attr-defined]
        raise UserError("optimizer and schedule", f"are not accepted ({error})", got=values, fix="Change the value.") from error
    return optimizer, schedule
