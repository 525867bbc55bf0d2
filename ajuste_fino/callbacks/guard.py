"""Stop training when the loss is not finite."""

from collections.abc import Mapping, Sequence
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from ajuste_fino import ranks
from ajuste_fino.errors import Diverged, preview


class NonFinite(Callback):
    """Stops within a step of a loss that is infinite or not a number, before it is saved over anything good."""

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        loss = outputs["loss"] if isinstance(outputs, Mapping) else outputs
        if any(ranks.largest(not torch.isfinite(loss))):
            files = trainer.datamodule.files_of(batch_idx)  # type: ignore[attr-defined]  # Lightning sets it
            raise _diverged(loss, f"step {batch_idx} of epoch {trainer.current_epoch + 1}", files)

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        loss = trainer.callback_metrics["val/loss"]
        if not torch.isfinite(loss):
            raise _diverged(loss, f"the validation of epoch {trainer.current_epoch + 1}")


def _diverged(loss: Tensor, where: str, files: Sequence[str] = ()) -> Diverged:
    """What is said of it; of processes that train together, another may have had the loss that is not finite."""
    batch = f" The images of that step:\n{preview(list(files))}" if files else ""
    value = "not finite" if torch.isfinite(loss) else float(loss)
    return Diverged(f"The loss is {value} at {where}; training stopped. A smaller optimizer.lr usually helps.{batch}")
