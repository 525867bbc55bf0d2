"""The parts of a run, built from the configuration: backbone, head, optimizer, schedule."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn

from ajuste_fino.backbone import Backbone, build
from ajuste_fino.classifier import Engine, Loss
from ajuste_fino.data.transforms import Augmentation, Varying
from ajuste_fino.errors import UserError
from ajuste_fino.library import HOMES, library
from ajuste_fino.trust import own_class, packages


def backbone(cfg: DictConfig) -> tuple[Backbone, list[str]]:
    """The backbone with its weights, and what did not match in them."""
    given = OmegaConf.to_container(cfg.backbone, resolve=True)
    design = {str(k): v for k, v in given.items() if k not in ("name", "weights")}  # type: ignore[union-attr]
    if design and given["name"] not in ("cnn", "own"):  # type: ignore[index, call-overload]
        key = f"backbone.{next(iter(design))}"
        raise UserError(key, "is for a network of your own design", fix="Pass backbone=cnn, or backbone=own.")
    tap = None if cfg.features.tap is None else str(cfg.features.tap)
    where = {"tap": tap, "pool": cfg.features.pool, "size": cfg.data.image_size}
    return build(str(cfg.backbone.name), str(cfg.backbone.weights), **where, design=design or None, trusted=trusted(cfg))


def augmentation(cfg: DictConfig) -> Varying:
    """How views of a picture are drawn: the project's way, or that of a class that is trusted."""
    given = {str(k): v for k, v in OmegaConf.to_container(cfg.data.augment, resolve=True).items()}  # type: ignore[union-attr]
    target = given.pop("_target_", None)
    kind: type = Augmentation
    if target is not None:
        kind = own_class(str(target), Varying, trusted(cfg), "data.augment._target_")
        given = {name: value for name, value in given.items() if name not in Augmentation.__dataclass_fields__}
    try:
        return kind(**given)
    except TypeError as error:
        raise UserError("data.augment", f"is not accepted ({error})", got=given, fix="Change its keys.") from error


def shape_of(head: DictConfig) -> dict[str, Any]:
    """What of the head's configuration makes its shape."""
    return {str(name): value for name, value in head.items() if name != "engine"}


def loss(cfg: DictConfig) -> Loss:
    """Cross-entropy, of whoever's layers the head is made."""
    return library(cfg.head.impl, "nn.functional", "head.impl").cross_entropy


def engine(cfg: DictConfig) -> Engine | None:
    """What computes the head's gradients, where it is not autograd."""
    return None if cfg.head.engine is None else class_of(cfg.head.engine, "head.engine", trusted(cfg))()


def trusted(cfg: DictConfig) -> list[str]:
    """The packages that the command line trusts."""
    return packages(OmegaConf.to_container(cfg.trust) if OmegaConf.is_config(cfg.trust) else cfg.trust)


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

    def found(self, target: str, trusted: Sequence[str], key: str, fix: str) -> type:
        """The class, of these modules or of the user's own.

        Raises:
            UserError: where it is neither.
        """
        known = self.find(target)
        if known is None and target.partition(".")[0] in trusted:
            return own_class(target, self.base, trusted, f"{key}._target_")
        if known is None:
            fix += " A class of your own needs trust=[PACKAGE]."
            raise UserError(f"{key}._target_", f"must be a class of {' or '.join(self.modules)}", got=target, fix=fix)
        return known


def _ours(part: str) -> dict[str, str]:
    module = f"{HOMES['scratch']}.{part}"
    return {f"scratch.{part}": module, module: module}


KINDS = {
    "optimizer": Kind(torch.optim.Optimizer, {"torch.optim": "torch.optim", **_ours("optim")}),
    "schedule": Kind(torch.optim.lr_scheduler.LRScheduler, {"torch.optim.lr_scheduler": "torch.optim.lr_scheduler"}),
    "head.engine": Kind(Engine, _ours("engine")),
}


def class_of(node: DictConfig, key: str, trusted: Sequence[str] = ()) -> Callable[..., Any]:
    """The class that `_target_` names, with its arguments, waiting for the rest.

    Only classes of the project's and torch's optimizers, of torch's schedules and of the project's engines can be named,
    and those of packages that are trusted: by the name before anything is imported, and by what the name turns out to be.
    No value is instantiated in turn.

    Raises:
        UserError: for any other target, or arguments that the class does not take.
    """
    fix = "Pass head=backprop." if key == "head.engine" else f"Pass {key}=NAME; ajuste-fino list shows the names."
    if not isinstance(node, DictConfig) or "_target_" not in node:
        raise UserError(key, "must name a class by _target_", got=node, fix=fix)
    if "impl" in node:
        library(str(node.impl), "optim", f"{key}.impl")
    target = str(node._target_)
    found = KINDS[key].found(target, trusted, key, fix)
    arguments = {str(k): v for k, v in OmegaConf.to_container(node, resolve=True).items()}  # type: ignore[union-attr]
    if target.startswith("torch.") and arguments.pop("formulation", "torch") != "torch":
        fix = f"Pass {key}.impl=scratch, or leave the formulation out."
        raise UserError(f"{key}.formulation", "must be torch for torch's own class", got=node.formulation, fix=fix)
    return partial(found, **{name: value for name, value in arguments.items() if name not in ("_target_", "impl")})


def learning(cfg: DictConfig) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Optimizer and schedule, tried on one parameter, so that a wrong argument is known before any work is done."""
    optimizer, schedule = (class_of(cfg[key], key, trusted(cfg)) for key in ("optimizer", "schedule"))
    try:
        first = optimizer([nn.Parameter(torch.zeros(1))])
        rates = schedule(first)
        first.step()
        rates.step()
    except (TypeError, ValueError, ArithmeticError) as error:
        values = {**optimizer.keywords, **schedule.keywords}  # type: ignore[attr-defined]
        raise UserError("optimizer and schedule", f"are not accepted ({error})", got=values, fix="Change the value.") from error
    return optimizer, schedule
