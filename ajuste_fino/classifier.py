"""The LightningModule: one step, one loss, the metrics, the optimizer. It trains what is given to it and no more."""

from collections.abc import Callable, Iterable
from typing import Any, Protocol, runtime_checkable

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics import MeanMetric

from ajuste_fino.freezing import Frozen
from ajuste_fino.head import Head
from ajuste_fino.scores import metrics

Loss = Callable[[Tensor, Tensor], Tensor]


@runtime_checkable
class Engine(Protocol):
    """Computes a head's gradients by another way than autograd, and how far the two differ."""

    def __call__(self, layers: Any, x: Tensor, y: Tensor) -> Tensor: ...

    def difference(self, layers: Any, x: Tensor, y: Tensor) -> float: ...


class Classifier(pl.LightningModule):
    """Batches x, y → logits (N, C) = head(body(x)).

    Args:
        head: what is trained.
        body: what is before it: an extractor where x are images, a tail where they are the outputs of a trunk, nothing where
            they are features already. Parts of it that are `Frozen` are not trained.
        optimizer: parameters → optimizer.
        schedule: optimizer → schedule, stepped once an epoch.
        loss: logits (N, C), classes (N,) → their mean cross-entropy, in training.
        val_loss: the same in validation, where it is another.
        engine: computes loss and gradients of the head in place of `loss` and autograd; how far its gradients are from
            autograd's is measured on the first batch of each epoch and logged as `train/gradient_difference`.
        lr: the head's learning rate; None: the optimizer's.
        backbone_lr_mult: the body's learning rate, as a share of the head's.
    """

    strict_loading = False  # a checkpoint holds no frozen tensor: they come from the weights, and their hash is proven

    def __init__(
        self,
        head: Head,
        num_classes: int,
        optimizer: Callable[..., Optimizer],
        schedule: Callable[[Optimizer], LRScheduler],
        body: nn.Module | None = None,
        loss: Loss = cross_entropy,
        engine: Engine | None = None,
        lr: float | None = None,
        backbone_lr_mult: float = 1.0,
        val_loss: Loss | None = None,
    ) -> None:
        super().__init__()
        self.head, self.body = head, body or nn.Identity()
        self.optimizer, self.schedule, self.loss, self.engine = optimizer, schedule, loss, engine
        self.lr, self.backbone_lr_mult, self.loss_of_val = lr, backbone_lr_mult, val_loss or loss
        self.train_loss, self.val_loss = (MeanMetric(nan_strategy="disable") for _ in range(2))  # a NaN must be seen
        self.val_metrics = metrics(num_classes).clone(prefix="val/")

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))

    def on_train_start(self) -> None:
        """Switch to training mode, which Lightning does not do; frozen modules stay in `eval()`."""
        self.train()

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        x, y = batch
        loss = self.loss(self(x), y) if self.engine is None else self._by_engine(self.engine, x, y, index)
        self.train_loss.update(loss.detach(), len(y))
        return loss

    def _by_engine(self, engine: Engine, x: Tensor, y: Tensor, index: int) -> Tensor:
        inputs, layers = self.head.standardise(self.body(x)), self.head.layers
        if index == 0:
            self.gap = engine.difference(layers, inputs, y)
        return engine(layers, inputs, y)

    def on_train_epoch_end(self) -> None:
        """Log once an epoch: `self.log` at every step would take longer than the step of a small head."""
        self.log("train/loss", self.train_loss.compute())
        self.train_loss.reset()
        if self.engine is not None:
            self.log("train/gradient_difference", self.gap)
        self.log_dict(self.validation)

    def validation_step(self, batch: tuple[Tensor, Tensor]) -> None:
        x, y = batch
        logits = self(x)
        self.val_metrics.update(logits, y)
        self.val_loss.update(self.loss_of_val(logits, y), len(y))

    def on_validation_epoch_end(self) -> None:
        """Give the metrics to checkpoints and early stopping; the loggers get them with those of training."""
        self.validation = {"val/loss": self.val_loss.compute(), **self.val_metrics.compute()}
        self.log_dict(self.validation, logger=False)
        self.val_loss.reset()
        self.val_metrics.reset()

    def configure_optimizers(self) -> Any:
        """One group of parameters for the head, one for what is trained of the body, each with its own learning rate."""
        parts = [[p for p in part.parameters() if p.requires_grad] for part in (self.head, self.body)]
        optimizer = self.optimizer([{"params": part} for part in parts if part])
        for group in optimizer.param_groups:
            group["lr"] = group["lr"] if self.lr is None else self.lr
        for group in optimizer.param_groups[1:]:
            group["lr"] = group["lr"] * self.backbone_lr_mult
        return {"optimizer": optimizer, "lr_scheduler": self.schedule(optimizer)}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what is trained, for frozen tensors come from the weights, and the metrics of the last validation."""
        frozen = tuple(f"{name}." for name, module in self.named_modules() if isinstance(module, Frozen))
        state = checkpoint["state_dict"]
        checkpoint["validation"] = {name: float(value) for name, value in self.validation.items()}
        checkpoint["state_dict"] = {name: tensor for name, tensor in state.items() if not name.startswith(frozen)}


@torch.inference_mode()
def probabilities(head: nn.Module, batches: Iterable[Tensor], temperature: float = 1.0) -> Tensor:
    """Features (n, D), a batch at a time → (N, C) probabilities, softmax(logits / temperature).

    The most probable class of each row is the same at every temperature: where rounding makes others as probable, it gets the
    next larger number.
    """
    head.cpu().eval()
    return torch.cat([_scaled(head(features), temperature) for features in batches])


def _scaled(logits: Tensor, temperature: float) -> Tensor:
    plain = logits.softmax(1)
    if temperature == 1:
        return plain
    scaled, label = (logits / temperature).softmax(1), plain.argmax(1, keepdim=True)
    above = torch.nextafter(scaled.scatter(1, label, 0).amax(1, keepdim=True), torch.ones(()))  # all the others
    return scaled.scatter(1, label, torch.maximum(scaled.gather(1, label), above))
