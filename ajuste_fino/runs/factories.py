"""The parts of a run, built from the configuration: backbone, phases, augmentation, loss, optimizer, schedule, trainer."""

import os
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from inspect import signature
from math import inf
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, OmegaConf
from torch import nn

from ajuste_fino.backbone import Backbone, build
from ajuste_fino.callbacks import EpochCSVLogger
from ajuste_fino.classifier import Engine
from ajuste_fino.console import log
from ajuste_fino.data.transforms import Augment, Augmentation
from ajuste_fino.errors import Range, UserError, nearest
from ajuste_fino.implementation import implementation
from ajuste_fino.losses import Loss
from ajuste_fino.phases import HEAD, Phase, Phases
from ajuste_fino.runs.configuration import trusted
from ajuste_fino.runs.own_weights import trained_backbone
from ajuste_fino.runs.targets import class_of
from ajuste_fino.trust import own_class

Make = Callable[..., Any]
TRIED_EPOCHS = 200  # of a schedule, before the run; a step takes about 10 µs
LABELS = ("label_smoothing", "mixup", "cutmix")  # keys of all phases, which each may say for itself
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


def phases(cfg: DictConfig) -> Phases:
    """Build the phases of the schedule; `phases.rate` overrides the rate of each that trains the backbone.

    Raises:
        UserError: for a schedule that is none, or weights that its phases do not begin with.
    """
    schedule = OmegaConf.to_container(cfg.phases.schedule, resolve=True) if OmegaConf.is_list(cfg.phases.schedule) else None
    if not isinstance(schedule, list) or not schedule:
        fix = "Pass phases=head, ladder, full or scratch, or phases.schedule=[{train_from: head, epochs: 5}]."
        raise UserError("phases.schedule", "must be a list of phases", got=cfg.phases.schedule, fix=fix)
    rate = {} if cfg.phases.rate is None else {"backbone_lr_mult": cfg.phases.rate}
    given = {name: cfg[name] for name in LABELS if cfg.get(name) is not None}
    given |= {} if cfg.features.views is None else {"views": cfg.features.views}
    several = len(schedule) > 1
    try:
        found = [
            Phase(**{**one, **given, **({} if several and first == HEAD else rate), "train_from": first})
            for one, first in ((one, str(one.get("train_from", HEAD))) for one in schedule)
        ]
    except (TypeError, AttributeError) as error:
        fix = f"A phase has {', '.join(field.name for field in fields(Phase))}."
        raise UserError("phases.schedule", f"is not accepted ({error})", got=schedule, fix=fix) from error
    _require_matching_weights(cfg)
    _require_choices(cfg)
    return Phases(found, cfg.epochs)


def _require_choices(cfg: DictConfig) -> None:
    """Refuse a decay or a treatment of BatchNorm that is none; a group of the user's own may be older than they are."""
    if (decay := cfg.phases.get("lr_decay", 1.0)) not in Range(float, 0, 1, above=True):
        raise UserError("phases.lr_decay", "must be above 0, and at most 1", got=decay, fix="Pass 1 for the same rate.")
    if (batchnorm := cfg.phases.get("batchnorm", "frozen")) not in ("frozen", "train"):
        fix = "Pass frozen to keep its statistics."
        raise UserError("phases.batchnorm", "must be frozen or train", got=batchnorm, fix=fix)


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


def require_plain_labels(key: str, phases: Phases) -> None:
    """Refuse smoothed or mixed labels beside what has a loss of its own."""
    if any(phase.changes_labels for phase in phases):
        fix = f"Leave label_smoothing, mixup and cutmix out, or {key}."
        raise UserError(key, "has a loss of its own, of plain labels", got="label_smoothing, mixup or cutmix", fix=fix)


def require_something_to_cut(cfg: DictConfig, phases: Phases) -> None:
    """Refuse CutMix alone where all phases read features, which have no sides."""
    if cfg.features.mode == "cached" and not phases.trains_backbone and any(one.cutmix and not one.mixup for one in phases):
        fix = "Pass mixup, which mixes features as well, or phases=ladder."
        raise UserError("cutmix", "needs images or maps, and phases=head reads features", got=phases[0].cutmix, fix=fix)


def require_cached_head(key: str, cfg: DictConfig, phases: Phases) -> None:
    """Refuse a key that trains many heads, where each would have to pass all images through the backbone again."""
    if len(phases) > 1 or phases.trains_backbone or cfg.features.mode != "cached":
        got = f"train_from={', '.join(phase.train_from for phase in phases)}; features.mode={cfg.features.mode}"
        fix = f"Leave {key} out, or train a head on cached features."
        raise UserError(key, "needs phases=head and features.mode=cached", got=got, fix=fix)


def augmentation(cfg: DictConfig, views: int | None = None) -> Augment:
    """Build the augmentation: the project's own, or a class that is trusted.

    Args:
        views: the most that a phase has of an image; None: `features.views`, or 1.

    Raises:
        UserError: for a class that is not, arguments that it does not take, or views where nothing varies an image.
    """
    views = views or int(cfg.features.views or 1)
    given = {str(k): v for k, v in OmegaConf.to_container(cfg.data.augment, resolve=True).items()}  # type: ignore[union-attr]
    target = given.pop("_target_", None)
    made: type = Augmentation
    if target == "none":
        _refuse_equal_views(views)
        return Augmentation()  # which nobody calls
    if target is not None:
        made = own_class(str(target), Augment, trusted(cfg), "data.augment._target_")
        given = _for_own(made, given)
    else:
        _tell_of_unused(given, views)
    try:
        return made(**given)
    except TypeError as error:
        raise UserError("data.augment", f"is not accepted ({error})", got=given, fix="Change its keys.") from error


def _refuse_equal_views(views: int) -> None:
    if views > 1:
        rule = "varies no image, so that all views of one would be equal"
        fix = "Pass features.views=1, or augment=light, standard or strong."
        raise UserError("augment=none", rule, got=f"features.views={views}", fix=fix)


def _tell_of_unused(given: dict[str, Any], views: int) -> None:
    """Warn where a stronger policy was chosen and there is no view that it could vary; the data may set scale and flip."""
    default = Augmentation()
    chosen = [f"data.augment.{name}" for name in ("color", "trivial", "erase") if given.get(name, 0) > getattr(default, name)]
    if views == 1 and chosen:
        rule = "can vary only further views of an image, and there are none"
        fix = "Pass for example features.views=4."
        log.warning(str(UserError(" and ".join(chosen), rule, got="features.views=1", fix=fix)))


def _for_own(cls: type, given: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a class of the user's own: not those that a policy fills in, all of them, for ours.

    What the data says of some, as the digits do of `flip`, is for a class that takes it.
    """
    ours, taken = {field.name for field in fields(Augmentation)}, signature(cls).parameters
    filled = ours <= given.keys()
    return {name: value for name, value in given.items() if name not in ours or (name in taken and not filled)}


def head_shape(head: DictConfig) -> dict[str, Any]:
    """Return the keys of the head that are fields of `HeadShape`."""
    return {str(name): value for name, value in head.items() if name not in ("engine", "C")}


def loss(cfg: DictConfig) -> Loss:
    """Cross-entropy, of whoever's layers the head is made."""
    return implementation(cfg.head.impl, "nn.functional", "head.impl").cross_entropy


def engine(cfg: DictConfig) -> Engine | None:
    """What computes the head's gradients, where it is not autograd."""
    return None if cfg.head.engine is None else class_of(cfg.head.engine, "head.engine", trusted(cfg))()


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


def trainer(cfg: DictConfig, chosen: str) -> tuple[list[Make], list[Make], dict[str, Any]]:
    """Return factories of the callbacks and of the loggers, each tried once, and the Trainer's other arguments.

    Args:
        chosen: what chooses the best epoch, for callbacks that name nothing else.

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
        if "monitor" in given and given["monitor"] is None:
            given["monitor"] = chosen
        if given.get("monitor") not in (None, *MONITORS):
            rule = f"must be one of {', '.join(MONITORS)}"
            raise UserError(
                f"callbacks.{name}.monitor", rule, got=given["monitor"], fix=nearest(str(given["monitor"]), MONITORS)
            )
        if "mode" in given and given["mode"] is None:
            given["mode"] = better(str(given.get("monitor")))
        _try(f"callbacks.{name}", make)
    makes: list[Make] = [partial(_logger, make) for make in loggers.values()]
    for name, make in zip(loggers, makes, strict=True):
        _try(f"logger.{name}", partial(make, Path()))
    return list(callbacks.values()), makes, {str(name): value for name, value in cfg.trainer.items()}


def monitor(cfg: DictConfig, phases: Phases) -> str:
    """What chooses the best epoch: the validation loss, or accuracy where the loss of training is of other labels.

    Smoothed and mixed labels make a model less sure than it may be, which the loss of plain labels counts against it.

    Raises:
        UserError: where another one is given that is none.
    """
    if cfg.monitor is None:
        return "val/accuracy" if any(phase.changes_labels for phase in phases) else "val/loss"
    if cfg.monitor not in MONITORS:
        fix = nearest(str(cfg.monitor), MONITORS)
        raise UserError("monitor", f"must be one of {', '.join(MONITORS)}", got=cfg.monitor, fix=fix)
    return str(cfg.monitor)


def better(monitor: str) -> str:
    """Which values of a metric are better: those of a loss that are smaller, of any other that are larger."""
    return "min" if monitor.endswith("loss") else "max"


def _named(cfg: DictConfig, group: str) -> dict[str, Callable[..., Any]]:
    """The classes of a dictionary of names; null: none."""
    nodes = (cfg.get(group) or {}).items()
    return {str(n): class_of(node, group, trusted(cfg), f"{group}.{n}") for n, node in nodes if node is not None}


def _logger(make: Callable[..., Any], folder: Path) -> Any:
    """A logger that writes into the folder; MLflow and Weights & Biases would else tell their makers of its use."""
    for variable in ("DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY"):
        os.environ.setdefault(variable, "true")
    return make(save_dir=folder)


def _try(key: str, make: Callable[..., Any]) -> None:
    try:
        make()
    except (TypeError, ValueError, ModuleNotFoundError, MisconfigurationException) as error:
        raise UserError(key, f"is not accepted ({error})", fix="Change its arguments.") from error
