"""The LightningModule: one step, one loss, the metrics, the optimizer. It trains what is given to it and no more."""

from collections.abc import Callable, Iterable
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics import MeanMetric

from ajuste_fino.scores import metrics


class Classifier(pl.LightningModule):
    """Batches x, y → logits (N, C) = head(body(x)).

    Args:
        head: what is trained.
        body: what is before it: the frozen extractor where x are images, nothing where x are features already.
        optimizer: parameters → optimizer.
        schedule: optimizer → schedule, stepped once an epoch.
    """

    strict_loading = False  # a checkpoint holds no frozen tensor: they come from the weights, and their hash is proven

    def __init__(
        self,
        head: nn.Module,
        num_classes: int,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        schedule: Callable[[Optimizer], LRScheduler],
        body: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.head, self.body = head, body or nn.Identity()
        self.optimizer, self.schedule = optimizer, schedule
        self.train_loss, self.val_loss = (MeanMetric(nan_strategy="disable") for _ in range(2))  # a NaN must be seen
        self.val_metrics = metrics(num_classes).clone(prefix="val/")

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        x, y = batch
        loss = cross_entropy(self(x), y)
        self.train_loss.update(loss.detach(), len(y))
        return loss

    def on_train_epoch_end(self) -> None:
        self._log_epoch("train/loss", self.train_loss)

    def validation_step(self, batch: tuple[Tensor, Tensor]) -> None:
        x, y = batch
        logits = self(x)
        self.val_metrics.update(logits, y)
        self.val_loss.update(cross_entropy(logits, y), len(y))

    def on_validation_epoch_end(self) -> None:
        self._log_epoch("val/loss", self.val_loss)
        self.log_dict(self.val_metrics.compute())
        self.val_metrics.reset()

    def _log_epoch(self, name: str, metric: MeanMetric) -> None:
        """Once an epoch: `self.log` at every step would take longer than the step of a small head."""
        self.log(name, metric.compute())
        metric.reset()

    def configure_optimizers(self) -> Any:
        optimizer = self.optimizer(p for p in self.parameters() if p.requires_grad)
        return {"optimizer": optimizer, "lr_scheduler": self.schedule(optimizer)}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        state = checkpoint["state_dict"]
        checkpoint["state_dict"] = {name: tensor for name, tensor in state.items() if not name.startswith("body.")}


@torch.inference_mode()
def probabilities(head: nn.Module, batches: Iterable[Tensor]) -> Tensor:
    """Features (n, D), a batch at a time → (N, C) probabilities."""
    head.cpu().eval()
    return torch.cat([head(features).softmax(1) for features in batches])
