"""Checkpoints that are whole or absent, say whether they are as they were written, and hold tensors and plain values only."""

import hashlib
import io
import os
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint
from torch import Tensor

import ajuste_fino
from ajuste_fino import ranks
from ajuste_fino.callbacks.stopping import Stops
from ajuste_fino.errors import AjusteFinoError
from ajuste_fino.files import write_bytes

SEAL = b"sha256 "  # of the comment at the end of a checkpoint, which is a zip file; its hash follows
COMMENT = len(SEAL) + 64
LAST, PREVIOUS, BEST = "last.ckpt", "previous.ckpt", "best.ckpt"


class Damaged(AjusteFinoError):
    """A checkpoint is not as it was written."""


def versions() -> dict[str, Any]:
    """Return what may change the last bits of a result: versions, and how many threads there are."""
    made = {"ajuste_fino": ajuste_fino.__version__, "torch": str(torch.__version__), "threads": torch.get_num_threads()}
    return made | {"processes": ranks.count()}


def sealed(content: memoryview) -> bytes:
    """Add the SHA-256 of a zip file to it, as its comment."""
    return b"".join((content[:-2], COMMENT.to_bytes(2, "little"), SEAL, hashlib.sha256(content).hexdigest().encode()))


def unsealed(content: bytes, path: Path) -> bytes:
    """Return the zip file without its comment.

    Raises:
        Damaged: where it has none, or another hash.
    """
    zipped, seal = content[: -COMMENT - 2] + b"\0\0", content[-COMMENT:]
    if seal != SEAL + hashlib.sha256(zipped).hexdigest().encode():
        raise Damaged(f"{path} is not as it was written.")
    return zipped


def load_checkpoint(path: Path, map_location: Any = "cpu") -> dict[str, Any]:
    """Read a checkpoint.

    Raises:
        Damaged: where it is not as it was written.
    """
    found: dict[str, Any] = torch.load(
        io.BytesIO(unsealed(path.read_bytes(), path)), map_location=map_location, weights_only=True
    )
    return found


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes as `files.write_bytes` does: a kill leaves the old file or the new one, and at worst a whole copy beside it.

    Lightning writes to the system's temporary folder and moves; where that is another file system a kill leaves a part.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        buffer = io.BytesIO()  # written by Python, a full disk raises the OSError that names it
        torch.save(checkpoint, buffer)
        write_bytes(Path(path), sealed(buffer.getbuffer()))

    def load_checkpoint(
        self, path: str | Path, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        return load_checkpoint(Path(path), map_location)


class BestCheckpoint(ModelCheckpoint):
    """Lightning's, where of equally good accuracies the later epoch's is kept: a few validation images give many of them."""

    def check_monitor_top_k(self, trainer: pl.Trainer, current: Tensor | None = None) -> bool:
        best = self.best_k_models.get(self.kth_best_model_path)
        equal = self.mode == "max" and best is not None and current is not None and bool(current == best)
        return equal or super().check_monitor_top_k(trainer, current)


class LastCheckpoint(Checkpoint):
    """`checkpoints/last.ckpt` after every epoch, within one every so often, and when the run is stopped; see `resume`.

    The one before is kept as `previous.ckpt`.

    Args:
        seconds: of training between two within an epoch, at least.
    """

    def __init__(self, seconds: float = 120) -> None:
        self.seconds, self.stops, self.made_with = seconds, Stops(), versions()

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.saved, self.begun = time.monotonic(), trainer.current_epoch
        self.stops.hold()

    def on_save_checkpoint(self, trainer: pl.Trainer, module: pl.LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint["made_with"] = self.made_with
        progress = checkpoint["loops"]["fit_loop"]["epoch_progress"]
        if progress["current"]["started"] == progress["current"]["completed"]:  # between two epochs, the next is not begun
            for counts in progress.values():
                counts["ready"] = counts["completed"]

    def on_load_checkpoint(self, trainer: pl.Trainer, module: pl.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Let the checkpoints of the best epochs be where the run folder is now, under whichever name it is reached.

        Lightning forgets the best epoch so far where its folder has another name, as `runs/mine` and the full path of it are.
        """
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if "dirpath" in (state := checkpoint["callbacks"].get(callback.state_key, {})):
                _move(state, str(callback.dirpath))

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Save where it is time; of an epoch's last step only the validation behind it is a moment to go on from."""
        progress = trainer.fit_loop.epoch_loop.batch_progress
        between = progress.current.ready % trainer.accumulate_grad_batches == 0 and not progress.is_last_batch
        stop, due = ranks.largest(self.stops.number, time.monotonic() - self.saved > self.seconds)
        if between and (stop or due):
            self.save(trainer)

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Save what the epoch before has left: only now its row of `metrics.csv` is written."""
        if trainer.current_epoch > self.begun:
            self.save(trainer)

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.save(trainer)

    def save(self, trainer: pl.Trainer) -> None:
        """Save, then stop if that was asked for."""
        last = Path(trainer.default_root_dir) / "checkpoints" / LAST
        if ranks.is_first() and last.exists():
            replace_by_link(last, last.with_name(PREVIOUS))
        trainer.save_checkpoint(last)
        self.saved = time.monotonic()
        self.stops.obey_all(int(*ranks.largest(self.stops.number)))

    def on_exception(self, trainer: pl.Trainer, module: pl.LightningModule, exception: BaseException) -> None:
        self.stops.release()

    def teardown(self, trainer: pl.Trainer, module: pl.LightningModule, stage: str) -> None:
        self.stops.obey()
        self.stops.release()


def _move(state: dict[str, Any], folder: str) -> None:
    """Rewrite the paths in the state of a `ModelCheckpoint`, whose files have kept their names."""
    state["dirpath"] = folder
    for key in ("best_model_path", "kth_best_model_path", "last_model_path"):
        state[key] = _moved(state[key], folder)
    state["best_k_models"] = {_moved(path, folder): score for path, score in state["best_k_models"].items()}


def _moved(path: str, folder: str) -> str:
    return str(Path(folder) / Path(path).name) if path else path


def replace_by_link(path: Path, other: Path) -> None:
    """Give a file a second name, in the place of what has it; it keeps its own until something replaces it."""
    temporary = other.with_name(f".{other.name}.tmp")
    temporary.unlink(missing_ok=True)
    try:
        os.link(path, temporary)
    except OSError:  # a file system without links
        write_bytes(temporary, path.read_bytes())
    temporary.replace(other)
    temporary.unlink(missing_ok=True)  # it stays where both were names of that file already
