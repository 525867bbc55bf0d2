"""`resume=RUN_FOLDER`: go on with a run that was stopped, from its newest good checkpoint."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import lightning.pytorch as pl
from omegaconf import DictConfig

from ajuste_fino import ranks
from ajuste_fino.callbacks import EpochCSVLogger
from ajuste_fino.callbacks.checkpoints import BEST, LAST, PREVIOUS, Damaged, load_checkpoint, versions
from ajuste_fino.console import log
from ajuste_fino.data.module import DataModule
from ajuste_fino.errors import UserError
from ajuste_fino.phases import Phases
from ajuste_fino.runs import launch
from ajuste_fino.runs.lock import lock
from ajuste_fino.runs.unchanged import require_same, require_same_phase

WRITTEN_TO = (".", "checkpoints", "bundle", "plots")  # folders of a run
AGAIN = "Start the run again with config= in the place of resume=."


class Resumed(NamedTuple):
    """A checkpoint, and from where it goes on: epoch and batch, from 0."""

    path: Path
    epoch: int
    batch: int

    def prepare(self, trainer: pl.Trainer, module: DataModule) -> None:
        """Begin the data at that batch, and keep the rows of `metrics.csv` before that epoch."""
        module.begin_at(self.epoch, self.batch)
        for logger in trainer.loggers if ranks.is_first() else ():
            if isinstance(logger, EpochCSVLogger) and logger.path.is_file():
                logger.go_on(self.epoch)

    def say_if_nothing_is_left(self, trainer: pl.Trainer) -> None:
        """Say it where the run had come to its end, or had stopped early, and so nothing more was trained."""
        if (trainer.current_epoch, self.batch) == (self.epoch, 0):
            ended = trainer.current_epoch == trainer.max_epochs
            why = (
                "the run had come to its end; more epochs= go on" if ended else "training had stopped, as it no longer improved"
            )
            log.info(f"Nothing was left to train: {why}.")


def find(cfg: DictConfig, run: Path, phases: Phases) -> Resumed | None:
    """Lock a run folder, refuse what would not go on as it began, and return its newest checkpoint; None: there is none yet.

    Raises:
        UserError: where another process is at work there, or keys have changed, or a checkpoint that is needed is damaged.
    """
    lock(run)
    require_same(cfg, run)
    for leftover in (path for folder in WRITTEN_TO for path in (run / folder).glob(".*.tmp")):
        leftover.unlink(missing_ok=True)  # of a process that was killed as it wrote
    found = newest(run, launch.processes(cfg))
    if found is not None:
        require_same_phase(cfg, phases, run, found.epoch)
    return found


def newest(run: Path, processes: int = 1) -> Resumed | None:
    """Return the newest checkpoint of a run that is as it was written; None: there is none yet.

    Raises:
        UserError: where there are some, and all are damaged, or the best epoch's is.
    """
    folder = run / "checkpoints"
    there = [folder / name for name in (LAST, PREVIOUS) if (folder / name).is_file()]
    for path in there:
        try:
            found = load_checkpoint(path)
        except (Damaged, OSError) as error:
            _say_what_instead(error, path == there[-1])
            continue
        _say_differences(found.get("made_with", {}), processes)
        _require_best(folder / BEST, found["callbacks"])
        return Resumed(path, *_place(found["loops"]["fit_loop"]))
    if there:
        raise UserError(f"resume={run}", "needs a checkpoint that is as it was written, and all are damaged", fix=AGAIN)
    log.warning(f"{folder} has no checkpoint yet: the run starts again from its beginning.")
    return None


def _say_what_instead(error: Exception, is_last: bool) -> None:
    if not is_last:
        log.warning(f"{error} The checkpoint before it is taken instead.")


def _place(loop: Mapping[str, Any]) -> tuple[int, int]:
    """The epoch and the batch that come next."""
    epochs, batches = loop["epoch_progress"]["current"], loop["epoch_loop.batch_progress"]["current"]
    within = epochs["started"] > epochs["processed"]
    return int(epochs["processed"]), int(batches["ready"]) if within else 0


def _say_differences(made_with: Mapping[str, Any], processes: int) -> None:
    now = versions() | {"processes": processes}
    made_with = {"processes": 1, **made_with}  # those of an older version lack it
    other = [f"{name} {made_with.get(name)} → {value}" for name, value in now.items() if made_with.get(name) != value]
    if other:
        log.warning(f"Other than when the checkpoint was written: {', '.join(other)}. The last bits of results may differ.")


def _require_best(path: Path, callbacks: Mapping[str, Any]) -> None:
    """Refuse to go on where the epoch that would be kept is lost."""
    paths = [str(state.get("best_model_path", "")) for state in callbacks.values() if isinstance(state, dict)]
    if not path.is_file() and path.name in [Path(one).name for one in paths]:
        raise UserError(str(path), "must be there: it has the best epoch so far", fix=AGAIN)
    if path.is_file():
        try:
            load_checkpoint(path)
        except (Damaged, OSError) as error:
            raise UserError(str(path), "must be as it was written: it has the best epoch so far", fix=AGAIN) from error
