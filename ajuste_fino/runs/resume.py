"""`resume=RUN_FOLDER`: go on with a run that was stopped, from its newest good checkpoint."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import lightning.pytorch as pl
from omegaconf import DictConfig, OmegaConf

from ajuste_fino.callbacks import EpochCSVLogger
from ajuste_fino.callbacks.checkpoints import BEST, LAST, PREVIOUS, Damaged, load_checkpoint, versions
from ajuste_fino.console import log
from ajuste_fino.data.manifest import Manifest
from ajuste_fino.data.module import DataModule
from ajuste_fino.data.split import write_split
from ajuste_fino.errors import UserError, preview
from ajuste_fino.runs.saved import leaves, read

HARMLESS = ("out", "workers", "resume", "config", "trust")  # a key that decides nothing of what is computed


class Resumed(NamedTuple):
    """A checkpoint, and from where it goes on: epoch and batch, from 0."""

    path: Path
    epoch: int
    batch: int

    def prepare(self, trainer: pl.Trainer, module: DataModule) -> None:
        """Begin the data at that batch, and keep the rows of `metrics.csv` before that epoch."""
        module.begin_at(self.epoch, self.batch)
        for logger in trainer.loggers:
            if isinstance(logger, EpochCSVLogger) and logger.path.is_file():
                logger.go_on(self.epoch)


def newest(run: Path) -> Resumed | None:
    """Return the newest checkpoint of a run that is as it was written; None: there is none yet.

    Raises:
        UserError: where there are some, and all are damaged, or the best epoch's is.
    """
    folder = run / "checkpoints"
    for leftover in folder.glob(".*.tmp"):  # of a process that was killed as it wrote
        leftover.unlink(missing_ok=True)
    there = [folder / name for name in (LAST, PREVIOUS) if (folder / name).is_file()]
    for path in there:
        try:
            found = load_checkpoint(path)
        except (Damaged, OSError) as error:
            log.warning(f"{error} The checkpoint before it is taken instead.")
            continue
        _say_differences(found.get("made_with", {}))
        _require_best(folder / BEST)
        return Resumed(path, *_place(found["loops"]["fit_loop"]))
    if there:
        fix = "Start it again with config= in the place of resume=."
        raise UserError(f"resume={run}", "needs a checkpoint that is as it was written, and all are damaged", fix=fix)
    log.warning(f"{folder} has no checkpoint yet: the run starts again from its beginning.")
    return None


def _place(loop: Mapping[str, Any]) -> tuple[int, int]:
    """The epoch and the batch that come next."""
    epochs, batches = loop["epoch_progress"]["current"], loop["epoch_loop.batch_progress"]["current"]
    within = epochs["started"] > epochs["processed"]
    return int(epochs["processed"]), int(batches["ready"]) if within else 0


def _say_differences(made_with: Mapping[str, Any]) -> None:
    now = versions()
    other = [f"{name} {made_with.get(name)} → {value}" for name, value in now.items() if made_with.get(name) != value]
    if other:
        log.warning(f"Other than when the checkpoint was written: {', '.join(other)}. The last bits of results may differ.")


def _require_best(path: Path) -> None:
    """Refuse to go on where the epoch that would be kept is lost."""
    if path.is_file():
        try:
            load_checkpoint(path)
        except (Damaged, OSError) as error:
            fix = "Start the run again with config= in the place of resume=."
            raise UserError(str(path), "must be as it was written: it has the best epoch so far", fix=fix) from error


def require_same(cfg: DictConfig, run: Path) -> None:
    """Refuse a configuration that would have computed something else.

    Raises:
        UserError: with each key, its old value and the new one.
    """
    old, new = dict(leaves(read("resume", run / "config.yaml"))), _leaves(cfg)
    changed = [key for key in new if key in old and old[key] != new[key] and not _harmless(key, old[key], new[key])]
    changed = [key for key in changed if not _follows(key, old, new)]
    if changed:
        lines = [f"{key}: {old[key]} → {new[key]}" for key in changed]
        fix = "Leave them out, or begin a new run with config= in the place of resume=."
        rule = f"goes on as it began, and these keys are changed:\n{preview(lines)}\n"
        raise UserError(f"resume={run}", rule, fix=fix)


def _leaves(cfg: DictConfig) -> dict[str, Any]:
    return dict(leaves(OmegaConf.to_container(cfg, resolve=True)))  # type: ignore[arg-type]


def _harmless(key: str, old: Any, new: Any) -> bool:
    return key in HARMLESS or (key == "epochs" and isinstance(old, int) and isinstance(new, int) and new > old)


def _follows(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether a value is that of `epochs`, as the length of a schedule is."""
    return new["epochs"] > old["epochs"] and old[key] == old["epochs"] and new[key] == new["epochs"]


def require_same_split(run: Path, manifest: Manifest) -> None:
    """Refuse other images, or another split of them, than the run began with.

    Raises:
        UserError: with the file that has the split.
    """
    before = run / "split.csv"
    now = run / ".split.csv.now"
    try:
        write_split(now, manifest.samples)
        same = not before.is_file() or now.read_bytes() == before.read_bytes()
    finally:
        now.unlink(missing_ok=True)
    if not same:
        fix = "Put the images back as they were, or begin a new run with config= in the place of resume=."
        raise UserError(f"resume={run}", f"needs the images and the split of {before}, and some have changed", fix=fix)
