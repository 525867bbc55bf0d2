"""Training on several devices: one process for each, all of which do the same, and the first of which writes what they find.

Lightning starts them, unless torchrun or SLURM's srun did.
"""

import json
import logging
import os
import re
import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import DictConfig, OmegaConf

from ajuste_fino import ranks
from ajuste_fino.errors import UserError

T = TypeVar("T")
LAUNCHED = ("TORCHELASTIC_RUN_ID", "GROUP_RANK")  # variables that torchrun sets
ALONE = "Leave it out, or pass trainer.devices=1."
SET_BY_LIGHTNING = ("LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
TOGETHER = "AJUSTE_FINO_PROCESSES"  # the variable by which processes that were started together know each other
LOST = re.compile(r"(?i)connection (closed|reset|refused)|broken pipe|gloo|nccl")


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
        for key in ("batch_size", "features.batch_size"):
            if (size := OmegaConf.select(cfg, key)) is not None and size < count:
                rule = f"must be at least the number of processes, {count}, each of which has an image of every batch"
                raise UserError(key, rule, got=size, fix=f"Pass {key}={count}, or more.")


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

    Where the first process fails inside, the others end with its exit code; where another is lost, the first says so.

    Raises:
        UserError: where they cannot be started.
    """
    group = Group()
    if processes(cfg) == 1:
        yield group
        return
    before = {name: os.environ.get(name) for name in SET_BY_LIGHTNING}
    started = _launch(cfg)
    try:
        ranks.join()
        _require_one_run(cfg)
        yield group
    except BaseException as error:
        if isinstance(error, ranks.Elsewhere) and not ranks.is_first() and not _by_others():
            error.exit_code = 0  # else Lightning would kill the first process, which is about to end in order
        if ranks.is_first() and not group.ended:
            ranks.tell(error)
        _end(started)
        if isinstance(error, RuntimeError) and LOST.search(str(error)):
            what = "Another of the processes that train together has ended, or cannot be reached"
            raise ranks.Elsewhere(1, f"{what}. Go on: ajuste-fino train resume={cfg.out}") from error
        raise
    finally:
        ranks.leave()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)


def _end(started: Sequence[Any]) -> None:
    """End the processes that Lightning has started, where they have not ended themselves by now."""
    until = time.monotonic() + ranks.FAREWELL
    while any(one.poll() is None for one in started) and time.monotonic() < until:
        time.sleep(ranks.POLL)
    for one in started:
        if one.poll() is None:
            one.kill()


def _require_one_run(cfg: DictConfig) -> None:
    """Refuse processes that found each other and are of two runs.

    Raises:
        UserError: where they do not have the same keys, or were not started together.
    """
    keys = OmegaConf.to_container(cfg, resolve=True)
    given = {name: value for name, value in keys.items() if name != "out"}  # type: ignore[union-attr]
    found = ranks.gather((os.environ.get(TOGETHER), json.dumps(given, sort_keys=True, default=str)))
    if any(one != found[0] for one in found):
        rule = "must be of one run, with the same keys"
        fix = "Give each of the runs on this machine a MASTER_PORT of its own, and train on several devices once in a process."
        raise UserError("The processes that found each other", rule, fix=fix)


def _launch(cfg: DictConfig) -> Sequence[Any]:
    """Start the processes and wait for them; return those that Lightning has started."""
    from lightning.fabric import Fabric
    from lightning.fabric.utilities.exceptions import MisconfigurationException

    _require_script()
    for name in ("lightning.fabric", "lightning.pytorch", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.WARNING)
    keys, launcher = cfg.trainer, None
    if not _by_others():
        os.environ.setdefault(TOGETHER, secrets.token_hex(8))
    try:
        fabric = Fabric(accelerator=keys.accelerator, devices=keys.devices, num_nodes=keys.num_nodes, strategy="ddp")
        launcher = fabric.strategy.launcher
        fabric.launch()
    except (MisconfigurationException, ValueError, RuntimeError) as error:
        for one in getattr(launcher, "procs", ()):
            one.kill()
        got = f"trainer.devices={keys.devices} trainer.num_nodes={keys.num_nodes}"
        fix = "Pass as many devices as there are; in a job of SLURM start it by srun --ntasks-per-node=DEVICES."
        raise UserError("The processes", f"cannot be started ({error})", got=got, fix=fix) from error
    return list(getattr(launcher, "procs", ()))


def _by_others() -> bool:
    """Whether torchrun or SLURM's srun has started the processes."""
    return _by_torchrun() or "SLURM_PROCID" in os.environ


def _require_script() -> None:
    """Refuse a program that Lightning cannot start again: one that was typed in.

    Raises:
        UserError: where it is no file.
    """
    import __main__

    if not _by_others() and getattr(__main__, "__spec__", None) is None and not Path(sys.argv[0]).is_file():
        fix = "Use the command ajuste-fino train, a file that python runs, or torchrun."
        raise UserError("trainer.devices", "starts the program again for each device, which must be a file", fix=fix)
