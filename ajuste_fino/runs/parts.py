"""The parts of a run, built from the configuration: data, backbone, head, optimizer, schedule."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn

from ajuste_fino.backbone import Backbone, build
from ajuste_fino.classifier import Engine, Loss
from ajuste_fino.data.digits import digits_folder
from ajuste_fino.data.source import Source
from ajuste_fino.errors import UserError
from ajuste_fino.files import existing
from ajuste_fino.library import HOMES, library


def source(data: DictConfig) -> Source:
    """Where the pictures are; `data.root` becomes absolute, so that the saved configuration works from anywhere."""
    data.root = str(digits_folder() if data.name == "digits" and data.root is None else existing("data.root", data.root))
    split = existing("data.split", data.split) if data.split else None
    group = None if data.group is None else str(data.group)
    return Source(Path(data.root), split, data.val, data.test, data.on_bad_image, data.max_skipped, group)


def backbone(cfg: DictConfig) -> tuple[Backbone, list[str]]:
    """The backbone with its weights, and what did not match in them."""
    given = OmegaConf.to_container(cfg.backbone, resolve=True)
    design = {str(k): v for k, v in given.items() if k not in ("name", "weights")}  # type: ignore[union-attr]
    if design and given["name"] != "cnn":  # type: ignore[index, call-overload]
        key = f"backbone.{next(iter(design))}"
        raise UserError(key, "is for a network of your own design", fix="Pass backbone=cnn.")
    tap = None if cfg.features.tap is None else str(cfg.features.tap)
    where = {"tap": tap, "pool": cfg.features.pool, "size": cfg.data.image_size}
    return build(str(cfg.backbone.name), str(cfg.backbone.weights), **where, design=design or None)


def shape_of(head: DictConfig) -> dict[str, Any]:
    """What of the head's configuration makes its shape."""
    return {str(name): value for name, value in head.items() if name != "engine"}


def loss(cfg: DictConfig) -> Loss:
    """Cross-entropy, of whoever's layers the head is made."""
    return library(cfg.head.impl, "nn.functional", "head.impl").cross_entropy


def engine(cfg: DictConfig) -> Engine | None:
    """What computes the head's gradients, where it is not autograd."""
    return None if cfg.head.engine is None else class_of(cfg.head.engine, "head.engine")()


@dataclass(frozen=True)
class Kind:
    """What a `_target_` may name: classes of one base in one of these modules, by the name that comes before the class's."""

    base: type
    modules: dict[str, str]

    def find(self, target: str) -> type | None:
        """The class, or None. A module that is not listed is never imported."""
        home, _, name = target.rpartition(".")
        found = getattr(import_module(self.modules[home]), name, None) if home in self.modules else None
        return found if isinstance(found, type) and issubclass(found, self.base) else None


def _ours(part: str) -> dict[str, str]:
    module = f"{HOMES['scratch']}.{part}"
    return {f"scratch.{part}": module, module: module}


KINDS = {
    "optimizer": Kind(torch.optim.Optimizer, {"torch.optim": "torch.optim", **_ours("optim")}),
    "schedule": Kind(torch.optim.lr_scheduler.LRScheduler, {"torch.optim.lr_scheduler": "torch.optim.lr_scheduler"}),
    "head.engine": Kind(Engine, _ours("engine")),
}


def class_of(node: DictConfig, key: str) -> Callable[..., Any]:
    """The class that `_target_` names, with its arguments, waiting for the rest.

    Only classes of the project's and torch's optimizers, of torch's schedules and of the project's engines can be named:
    by the name before anything is imported, and by what the name turns out to be. No value is instantiated in turn.

    Raises:
        UserError: for any other target, or arguments that the class does not take.
    """
    fix = "Pass head=backprop." if key == "head.engine" else f"Pass {key}=NAME; ajuste-fino list shows the names."
    if not isinstance(node, DictConfig) or "_target_" not in node:
        raise UserError(key, "must name a class by _target_", got=node, fix=fix)
    if "impl" in node:
        library(str(node.impl), "optim", f"{key}.impl")
    target = str(node._target_)
    found = KINDS[key].find(target)
    if found is None:
        raise UserError(f"{key}._target_", f"must be a class of {' or '.join(KINDS[key].modules)}", got=target, fix=fix)
    arguments = {str(k): v for k, v in OmegaConf.to_container(node, resolve=True).items()}  # type: ignore[union-attr]
    if target.startswith("torch.") and arguments.pop("formulation", "torch") != "torch":
        fix = f"Pass {key}.impl=scratch, or leave the formulation out."
        raise UserError(f"{key}.formulation", "must be torch for torch's own class", got=node.formulation, fix=fix)
    return partial(found, **{name: value for name, value in arguments.items() if name not in ("_target_", "impl")})


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
