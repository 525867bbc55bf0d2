"""Stop training when the loss is not finite."""

from collections.abc import Mapping
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from ajuste_fino.errors import Diverged


class NonFinite(Callback):
    """Stops within a step of a loss that is infinite or not a number, before it is saved over anything good."""

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        _refuse(
            outputs["loss"] if isinstance(outputs, Mapping) else outputs,
            f"step {batch_idx} of epoch {trainer.current_epoch + 1}",
        )

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        _refuse(trainer.callback_metrics["val/loss"], f"the validation of epoch {trainer.current_epoch + 1}")


def _refuse(loss: Tensor, where: str) -> None:
    if not torch.isfinite(loss):
        raise Diverged(f"The loss is {float(loss)} at {where}; training stopped. A smaller optimizer.lr usually helps.")
