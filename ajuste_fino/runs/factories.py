"""The parts of a run, built from the configuration: backbone, phases, augmentation, loss, optimizer, schedule, trainer."""

from collections.abc import Callable
from dataclasses import fields
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, OmegaConf
from torch import nn

from ajuste_fino.backbone import Backbone, build
from ajuste_fino.callbacks import EpochCSVLogger
from ajuste_fino.classifier import Engine, Loss
from ajuste_fino.data.transforms import Augment, Augmentation
from ajuste_fino.errors import UserError, nearest
from ajuste_fino.implementation import implementation
from ajuste_fino.phases import Phase
from ajuste_fino.runs.own_weights import trained_backbone
from ajuste_fino.runs.targets import class_of
from ajuste_fino.trust import own_class, packages

Make = Callable[..., Any]
TRIED_EPOCHS = 200  # of a schedule, before the run; a step takes about 10 µs
MONITORS = ["val/loss", "val/accuracy", "val/macro_f1", "train/loss"]


def backbone(cfg: DictConfig) -> tuple[Backbone, list[str]]:
    """Build the backbone; random weights are drawn from the seed. Also return what did not match in its weights."""
    torch.manual_seed(cfg.seed)
    given = OmegaConf.to_container(cfg.backbone, resolve=True)
    design = {str(k): v for k, v in given.items() if k not in ("name", "weights")}  # type: ignore[union-attr]
    if design and given["name"] not in ("cnn", "own"):  # type: ignore[index, call-overload]
        key = f"backbone.{next(iter(design))}"
        raise UserError(key, "is for a network of your own design", fix="Pass backbone=cnn, or backbone=own.")
    layer = None if cfg.features.tap is None else str(cfg.features.tap)
    where = {"layer": layer, "pool": cfg.features.pool, "size": cfg.data.image_size}
    name, weights = str(cfg.backbone.name), str(cfg.backbone.weights)
    found = trained_backbone(weights, trusted(cfg), name=name, **where, design=design or None)
    return found or build(name, weights, **where, design=design or None, trusted=trusted(cfg))


def phases(cfg: DictConfig) -> list[Phase]:
    """Build the phases of the schedule; `phases.rate` overrides the rate of each.

    Raises:
        UserError: for a schedule that is none, or weights that its phases do not begin with.
    """
    schedule = OmegaConf.to_container(cfg.phases.schedule, resolve=True) if OmegaConf.is_list(cfg.phases.schedule) else None
    if not isinstance(schedule, list) or len(schedule) != 1:
        fix = "Several phases after each other are not supported yet; pass phases=head, full or scratch."
        raise UserError("phases.schedule", "must be a list of one phase", got=cfg.phases.schedule, fix=fix)
    rate = {} if cfg.phases.rate is None else {"backbone_lr_mult": cfg.phases.rate}
    try:
        found = [Phase(**{**phase, **rate, "train_from": str(phase.get("train_from", "head"))}) for phase in schedule]
    except (TypeError, AttributeError) as error:
        fix = f"A phase has {', '.join(field.name for field in fields(Phase))}."
        raise UserError("phases.schedule", f"is not accepted ({error})", got=schedule, fix=fix) from error
    _require_matching_weights(cfg)
    return found


def _require_matching_weights(cfg: DictConfig) -> None:
    start, weights = cfg.phases.start, cfg.backbone.weights
    if start == "trained" and weights == "none":
        fix = "Pass phases=scratch, or the weights to go on from."
        raise UserError("The phases", "go on from trained weights (phases.start)", got="backbone.weights=none", fix=fix)
    if start == "random" and weights != "none":
        fix = "Pass backbone.weights=none, or phases=full to go on from those weights."
        raise UserError("The phases", "begin from random weights (phases.start)", got=f"backbone.weights={weights}", fix=fix)
    if start not in ("any", "trained", "random"):
        raise UserError("phases.start", "must be any, trained or random", got=start, fix="Pass any for either.")


def require_cached_head(key: str, cfg: DictConfig, phase: Phase) -> None:
    """Refuse a key that trains many heads, where each would have to pass all images through the backbone again."""
    if phase.trains_backbone or cfg.features.mode != "cached":
        got = f"train_from={phase.train_from}, features.mode={cfg.features.mode}"
        fix = f"Leave {key} out, or train a head on cached features."
        raise UserError(key, "needs phases=head and features.mode=cached", got=got, fix=fix)


def augmentation(cfg: DictConfig) -> Augment:
    """Build the augmentation: the project's own, or a class that is trusted."""
    given = {str(k): v for k, v in OmegaConf.to_container(cfg.data.augment, resolve=True).items()}  # type: ignore[union-attr]
    target = given.pop("_target_", None)
    made: type = Augmentation
    if target is not None:
        made = own_class(str(target), Augment, trusted(cfg), "data.augment._target_")
        given = {name: value for name, value in given.items() if name not in {field.name for field in fields(Augmentation)}}
    try:
        return made(**given)
    except TypeError as error:
        raise UserError("data.augment", f"is not accepted ({error})", got=given, fix="Change its keys.") from error


def head_shape(head: DictConfig) -> dict[str, Any]:
    """Return the keys of the head that are fields of `HeadShape`."""
    return {str(name): value for name, value in head.items() if name not in ("engine", "C")}


def loss(cfg: DictConfig) -> Loss:
    """Cross-entropy, of whoever's layers the head is made."""
    return implementation(cfg.head.impl, "nn.functional", "head.impl").cross_entropy


def engine(cfg: DictConfig) -> Engine | None:
    """What computes the head's gradients, where it is not autograd."""
    return None if cfg.head.engine is None else class_of(cfg.head.engine, "head.engine", trusted(cfg))()


def trusted(cfg: DictConfig) -> list[str]:
    """The packages that the command line trusts."""
    return packages(OmegaConf.to_container(cfg.trust) if OmegaConf.is_config(cfg.trust) else cfg.trust)


def learning(cfg: DictConfig) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return factories of optimizer and schedule, after trying both on one parameter to find wrong arguments early."""
    optimizer, schedule = (class_of(cfg[key], key, trusted(cfg)) for key in ("optimizer", "schedule"))
    try:
        first = optimizer([nn.Parameter(torch.zeros(1))])
        rates = schedule(first)
        tried = [rate for _ in range(min(cfg.epochs, TRIED_EPOCHS)) for rate in _rates_after_step(first, rates)]
    except (TypeError, ValueError, ArithmeticError) as error:
        values = {**optimizer.keywords, **schedule.keywords}  # type: ignore[attr-defined]
        raise UserError("optimizer and schedule", f"are not accepted ({error})", got=values, fix="Change the value.") from error
    if wrong := [rate for rate in tried if not 0 <= rate < inf]:
        rule = "must give learning rates of at least 0, and finite ones"
        raise UserError("schedule", rule, got=f"{schedule.keywords}, and so {wrong[0]:g}", fix="Change it.")  # type: ignore[attr-defined]
    return optimizer, schedule


def _rates_after_step(optimizer: Any, schedule: Any) -> list[float]:
    optimizer.step()
    schedule.step()
    return [float(group["lr"]) for group in optimizer.param_groups]


def trainer(cfg: DictConfig) -> tuple[list[Make], list[Make], dict[str, Any]]:
    """Return factories of the callbacks and of the loggers, each tried once, and the Trainer's other arguments.

    Raises:
        UserError: for a class or an argument that is not accepted, or without the files that the run reads again.
    """
    callbacks, loggers = (_named(cfg, group) for group in ("callbacks", "logger"))
    for key, there in (("callbacks.best", "best" in callbacks), ("logger.csv", "csv" in loggers)):
        if not there:
            raise UserError(key, "must be kept, because the run reads what it writes", fix="Leave it as it is.")
    if not issubclass(loggers["csv"].func, EpochCSVLogger):  # type: ignore[attr-defined]
        fix = "Give another logger a name of its own, as +logger.NAME._target_=…"
        raise UserError("logger.csv", "must be ajuste_fino.callbacks.EpochCSVLogger, whose file the run reads", fix=fix)
    for name, make in callbacks.items():
        given = make.keywords  # type: ignore[attr-defined]
        if "dirpath" in given or (name == "best" and (given.get("filename") != "best" or given.get("save_top_k", 1) != 1)):
            fix = "Leave it as it is: checkpoints lie in the run folder, and the run goes on with best.ckpt."
            raise UserError(f"callbacks.{name}", "must not move a checkpoint or leave it out", fix=fix)
        if given.get("monitor") not in (None, *MONITORS):
            rule = f"must be one of {', '.join(MONITORS)}"
            raise UserError(
                f"callbacks.{name}.monitor", rule, got=given["monitor"], fix=nearest(str(given["monitor"]), MONITORS)
            )
        _try(f"callbacks.{name}", make)
    makes: list[Make] = [partial(_logger, make) for make in loggers.values()]
    for name, make in zip(loggers, makes, strict=True):
        _try(f"logger.{name}", partial(make, Path()))
    return list(callbacks.values()), makes, {str(name): value for name, value in cfg.trainer.items()}


def _named(cfg: DictConfig, group: str) -> dict[str, Callable[..., Any]]:
    """The classes of a dictionary of names; null: none."""
    nodes = (cfg.get(group) or {}).items()
    return {str(n): class_of(node, group, trusted(cfg), f"{group}.{n}") for n, node in nodes if node is not None}


def _logger(make: Callable[..., Any], folder: Path) -> Any:
    return make(save_dir=folder, name="", version="")


def _try(key: str, make: Callable[..., Any]) -> None:
    try:
        make()
    except (TypeError, ValueError, ModuleNotFoundError, MisconfigurationException) as error:
        raise UserError(key, f"is not accepted ({error})", fix="Change its arguments.") from error
