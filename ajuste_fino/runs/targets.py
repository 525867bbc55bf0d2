"""The classes that a `_target_` of the configuration may name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig, OmegaConf

from ajuste_fino.classifier import Engine
from ajuste_fino.errors import UserError
from ajuste_fino.implementation import IMPLEMENTATIONS, implementation
from ajuste_fino.trust import own_class


@dataclass(frozen=True)
class Allowed:
    """Classes of one base, in one of these modules (by what comes before the class's name); only those `names`, if any."""

    base: type
    modules: dict[str, str]
    names: tuple[str, ...] = ()

    def lookup(self, target: str) -> type | None:
        """The class, or None. A module that is not listed is never imported."""
        home, _, name = target.rpartition(".")
        found = getattr(import_module(self.modules[home]), name, None) if home in self.modules else None
        named = not self.names or name in self.names
        return found if named and isinstance(found, type) and issubclass(found, self.base) else None

    def resolve(self, target: str, trusted: Sequence[str], key: str, fix: str) -> type:
        """The class, of these modules or of the user's own.

        Raises:
            UserError: where it is neither.
        """
        known = self.lookup(target)
        if known is None and target.partition(".")[0] in trusted:
            return own_class(target, self.base, trusted, f"{key}._target_")
        if known is None:
            fix += " A class of your own needs trust=[PACKAGE]."
            raise UserError(f"{key}._target_", f"must be a class of {' or '.join(self.modules)}", got=target, fix=fix)
        return known


def _ours(part: str) -> dict[str, str]:
    module = f"{IMPLEMENTATIONS['scratch']}.{part}"
    return {f"scratch.{part}": module, module: module}


ALLOWED = {
    "optimizer": Allowed(torch.optim.Optimizer, {"torch.optim": "torch.optim", **_ours("optim")}),
    "schedule": Allowed(
        torch.optim.lr_scheduler.LRScheduler, {name: name for name in ("ajuste_fino.schedules", "torch.optim.lr_scheduler")}
    ),
    "head.engine": Allowed(Engine, _ours("engine")),
    "callbacks": Allowed(Callback, {name: name for name in ("ajuste_fino.callbacks", "lightning.pytorch.callbacks")}),
    "logger": Allowed(
        Logger,
        {name: name for name in ("ajuste_fino.callbacks", "lightning.pytorch.loggers")},
        ("EpochCSVLogger", "CSVLogger", "TensorBoardLogger", "MLFlowLogger", "WandbLogger"),
    ),
}


FIXES = {
    "head.engine": "Pass head=backprop.",
    "callbacks": "Name one of these, or pass null.",
    "logger": "Name one of these.",
}


def class_of(node: DictConfig, kind: str, trusted: Sequence[str] = (), key: str | None = None) -> Callable[..., Any]:
    """The class that `_target_` names, with its arguments, waiting for the rest.

    Only the classes of `ALLOWED` can be named, and those of packages that are trusted. The name is checked before anything is
    imported, and then what the name turns out to be. No value is instantiated in turn.

    Raises:
        UserError: for any other target, or arguments that the class does not take.
    """
    key = key or kind
    fix = FIXES.get(kind, f"Pass {key}=NAME; ajuste-fino list shows the names.")
    if not isinstance(node, DictConfig) or "_target_" not in node:
        raise UserError(key, "must name a class by _target_", got=node, fix=fix)
    if "impl" in node:
        implementation(str(node.impl), "optim", f"{key}.impl")
    target = str(node._target_)
    found = ALLOWED[kind].resolve(target, trusted, key, fix)
    arguments = {str(k): v for k, v in OmegaConf.to_container(node, resolve=True).items()}  # type: ignore[union-attr]
    if target.startswith("torch.") and arguments.pop("formulation", "torch") != "torch":
        fix = f"Pass {key}.impl=scratch, or leave the formulation out."
        raise UserError(f"{key}.formulation", "must be torch for torch's own class", got=node.formulation, fix=fix)
    return partial(found, **{name: value for name, value in arguments.items() if name not in ("_target_", "impl")})
