"""Training on several devices: one process for each, all of which do the same, and the first of which writes what they find.

Lightning starts them, unless torchrun or SLURM's srun did.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from omegaconf import DictConfig

from ajuste_fino import ranks
from ajuste_fino.errors import UserError

T = TypeVar("T")
LAUNCHED = ("TORCHELASTIC_RUN_ID", "GROUP_RANK")  # variables that torchrun sets
ALONE = "Leave it out, or pass trainer.devices=1."


def processes(cfg: DictConfig) -> int:
    """Return how many processes train together."""
    trainer = cfg.get("trainer", {})  # of a run of an older version; other verbs have none of these keys
    return int(trainer.get("devices", 1) or 1) * int(trainer.get("num_nodes", 1) or 1)


def follows(cfg: DictConfig) -> bool:
    """Whether this is one of several processes and not the first."""
    return ranks.follows(processes(cfg))


def require_possible(cfg: DictConfig) -> None:
    """Refuse what cannot be done on several devices, and a launcher that started other processes than the keys say.

    Raises:
        UserError: before any process is started.
    """
    if cfg.trainer.get("strategy", "auto") not in ("auto", "ddp"):
        fix = "Pass auto; what is trained here fits each device, so each has a copy of it."
        raise UserError("trainer.strategy", "must be auto or ddp", got=cfg.trainer.strategy, fix=fix)
    count, started = processes(cfg), int(os.environ.get("WORLD_SIZE", 1)) if _by_torchrun() else 0
    if started > 1 and started != count:
        here = int(os.environ.get("LOCAL_WORLD_SIZE", started))
        fix = f"Pass trainer.devices={here} trainer.num_nodes={started // here}."
        raise UserError("trainer.devices", f"must be what torchrun started, {started} processes", got=count, fix=fix)
    if count > 1:
        _require_one_head(cfg)
        _require_cores(cfg)


def _require_cores(cfg: DictConfig) -> None:
    """Refuse more processes than cores where they compute on these; of other devices Lightning knows how many there are."""
    from ajuste_fino.predict import device  # brings torch, which the command has no need of yet

    cores, wanted = os.cpu_count() or 1, int(cfg.trainer.devices)
    if device(cfg.trainer.accelerator).type == "cpu" and wanted > cores:
        rule = f"must be at most the number of cores, {cores}, where a process computes on them"
        raise UserError("trainer.devices", rule, got=wanted, fix=f"Pass trainer.devices={cores}, or fewer.")


def _by_torchrun() -> bool:
    return any(name in os.environ for name in LAUNCHED)


def _require_one_head(cfg: DictConfig) -> None:
    for key, value, plain in (
        ("data.folds", cfg.data.get("folds"), None),
        ("ensemble", cfg.get("ensemble"), None),
        ("time", cfg.get("time"), None),
        ("head.C", cfg.head.get("C"), None),
        ("head.engine", cfg.head.engine, None),
        ("phases.batchnorm", cfg.phases.get("batchnorm", "frozen"), "frozen"),
        ("compile", cfg.get("compile") or None, None),
    ):
        if value != plain:
            rule = f"trains on one device, and trainer.devices × trainer.num_nodes is {processes(cfg)}"
            raise UserError(f"{key}={value}", rule, fix=ALONE)


def refuse(cfg: DictConfig, verb: str, instead: str) -> None:
    """Refuse several devices for a verb that works in one process.

    Raises:
        UserError: with what to do instead.
    """
    if processes(cfg) > 1:
        got = f"trainer.devices={cfg.trainer.devices} trainer.num_nodes={cfg.trainer.num_nodes}"
        raise UserError(verb, "works in one process", got=got, fix=instead)


class Group:
    """The processes of a run, inside `launched`."""

    ended = False

    def finish(self, found: T) -> T:
        """Tell the others that the first process is done, and what it found; they return that from `result`."""
        self.ended = True
        return ranks.from_first(lambda: found)

    def result(self) -> Any:
        """Wait for the first process, and return what it found.

        Raises:
            Elsewhere: where it failed, or was stopped.
        """
        self.ended = True
        return ranks.from_first(lambda: None)


@contextmanager
def launched(cfg: DictConfig) -> Iterator[Group]:
    """Start the other processes, if there are any; inside, `ranks` reaches them.

    Where the first process fails inside, the others end with its exit code.

    Raises:
        UserError: where they cannot be started.
    """
    group = Group()
    if processes(cfg) == 1:
        yield group
        return
    _launch(cfg)
    ranks.join()
    try:
        yield group
    except BaseException as error:
        if ranks.is_first() and not group.ended:
            _tell(error)
        raise
    finally:
        ranks.leave()


def _tell(error: BaseException) -> None:
    """Tell the others that the first process has failed; who is no longer there need not know."""
    if isinstance(error, ranks.Elsewhere):
        return

    def fail() -> None:
        raise error

    try:
        ranks.from_first(fail)
    except BaseException as same:
        if same is not error and not isinstance(same, RuntimeError):
            raise


def _launch(cfg: DictConfig) -> None:
    from lightning.fabric import Fabric
    from lightning.fabric.utilities.exceptions import MisconfigurationException

    for name in ("lightning.fabric", "lightning.pytorch", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.WARNING)
    keys = cfg.trainer
    try:
        Fabric(accelerator=keys.accelerator, devices=keys.devices, num_nodes=keys.num_nodes, strategy="ddp").launch()
    except (MisconfigurationException, ValueError, RuntimeError) as error:
        got = f"trainer.devices={keys.devices} trainer.num_nodes={keys.num_nodes}"
        fix = "Pass trainer.devices=1, or the number of devices there are."
        raise UserError("The processes", f"cannot be started ({error})", got=got, fix=fix) from error
