"""The LightningModule: one step, one loss, the metrics, the optimizer. It trains what is given to it and no more."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol, Self, runtime_checkable

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.optim import Optimizer
from torchmetrics import MeanMetric

from ajuste_fino import ranks
from ajuste_fino.data.order import seed_of_step
from ajuste_fino.errors import AjusteFinoError, UserError, preview
from ajuste_fino.freezing import Frozen
from ajuste_fino.head import Head, probabilities
from ajuste_fino.losses import Loss
from ajuste_fino.mixing import Mix
from ajuste_fino.plan import Plan, share_buffers
from ajuste_fino.scores import metrics

__all__ = ["Classifier", "Engine", "Goal", "probabilities"]


class Goal(NamedTuple):
    """The losses of training and of validation, logits (N, C), targets → a number, and how images are mixed in training."""

    loss: Loss
    val_loss: Loss
    mix: Mix


@runtime_checkable
class Engine(Protocol):
    """Computes a head's gradients by another way than autograd, and how far the two differ."""

    def __call__(self, layers: Any, x: Tensor, y: Tensor) -> Tensor: ...

    def difference(self, layers: Any, x: Tensor, y: Tensor) -> float: ...


class Classifier(pl.LightningModule):
    """Batches x, y → logits (N, C) = head(body(x)), by the body of the phase.

    What is trained, in which mode and at which rate follows from the epoch and the step alone; so does what is drawn.

    Args:
        head: what is trained in every phase.
        plan: what else each phase trains; its bodies come before the head: an extractor where x are images, a tail where they
            are the outputs of a trunk, nothing where they are features already. Parts that are `Frozen` are not trained.
        goals: of each phase, its losses and how it mixes images.
        engine: computes loss and gradients of the head in place of the loss and autograd; how far its gradients are from
            autograd's is measured on the first batch of each epoch and logged as `train/gradient_difference`.
        seed: of dropout's masks and of mixing, with epoch and step.
    """

    strict_loading = False  # a checkpoint holds no frozen tensor: they come from the weights, and their hash is proven

    def __init__(
        self,
        head: Head,
        num_classes: int,
        plan: Plan,
        goals: Sequence[Goal],
        engine: Engine | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        bodies = [body or nn.Identity() for body in plan.bodies]
        self.head, self.body, self.earlier = head, bodies[-1], nn.ModuleList(bodies[:-1])  # they share their tensors
        self.plan, self.goals, self.engine, self.seed = plan, goals, engine, seed
        self.train_loss_so_far: dict[str, Tensor] = {}
        self.gap = 0.0  # of the engine's gradients from autograd's, in the first batch of the epoch
        self.bodies, self.moment = bodies, plan.phases.at(0)
        # a NaN must be seen, and "disable" would ignore the weights
        self.train_loss, self.val_loss = (MeanMetric(nan_strategy=math.nan) for _ in range(2))
        self.val_metrics = metrics(num_classes, together=True).clone(prefix="val/")
        self.enter(0)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.bodies[self.moment.phase](x))

    def enter(self, epoch: int) -> None:
        """Make ready for an epoch: gradients for what its phase trains, and for nothing else.

        Where a phase begins, what the one before froze is verified.
        """
        before, self.moment = self.moment, self.plan.phases.at(epoch)
        if before.phase < self.moment.phase and before.phase not in self.plan.proofs:
            self.plan.verify(before.phase)
        for parameter in self.plan.trained(-1):
            parameter.requires_grad_(False)
        for parameter in self.plan.trained(self.moment.phase):
            parameter.requires_grad_(True)

    def train(self, mode: bool = True) -> Self:
        """Frozen modules stay in `eval()`, and BatchNorm does, unless the plan trains its statistics."""
        super().train(mode)
        if self.plan.batchnorm_frozen:
            for module in self.modules():
                if isinstance(module, _NormBase):
                    module.eval()
        return self

    def configure_model(self) -> None:
        """Where several processes train, let all that any phase trains be seen by what takes the mean of their gradients."""
        if ranks.count() > 1:
            for parameter in self.plan.trained(-1):
                parameter.requires_grad_(True)

    def on_fit_start(self) -> None:
        share_buffers(self.bodies)

    def on_train_start(self) -> None:
        """Switch to training mode, which Lightning does not do; a run that is resumed may begin anywhere in an epoch."""
        self.enter(self.current_epoch)
        self.train()
        for name, value in self.train_loss_so_far.items():
            setattr(self.train_loss, name, value.to(self.device))

    def on_train_epoch_start(self) -> None:
        self.enter(self.current_epoch)

    def on_train_batch_start(self, _batch: object, index: int) -> None:
        """Set what is drawn and the learning rates, both from epoch and step."""
        torch.manual_seed(seed_of_step(self.seed, self.current_epoch, index))
        share = index / max(int(self.trainer.num_training_batches), 1)
        settings = self.plan.settings(self.moment, share)
        for group, changed in zip(self.trainer.optimizers[0].param_groups, settings, strict=True):
            group.update(changed)

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        x, y = batch
        goal = self.goals[self.moment.phase]
        if goal.mix:
            x, y = goal.mix(x, y, seed_of_step(self.seed, self.current_epoch, index))
        loss = goal.loss(self(x), y) if self.engine is None else self._by_engine(self.engine, x, y, index)
        self.train_loss.update(loss.detach(), len(y))
        return loss if ranks.count() == 1 else loss * self.trainer.datamodule.weight(index)  # type: ignore[attr-defined]

    def _by_engine(self, engine: Engine, x: Tensor, y: Tensor, index: int) -> Tensor:
        inputs, layers = self.head.standardise(self.bodies[self.moment.phase](x)), self.head.layers
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
        self.val_loss.update(self.goals[self.moment.phase].val_loss(logits, y), len(y))

    def on_validation_epoch_end(self) -> None:
        """Give the metrics to checkpoints and early stopping; the loggers get them with those of training."""
        self.validation = {"val/loss": self.val_loss.compute(), **self.val_metrics.compute()}
        self.log_dict(self.validation, logger=False)
        self.val_loss.reset()
        self.val_metrics.reset()

    def configure_optimizers(self) -> Optimizer:
        """All groups exist from the first step on; those without gradients are left alone by the optimizer."""
        return self.plan.optimizer(self.head)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what is trained, for frozen tensors come from the weights, and the metrics of the last validation."""
        validation = getattr(self, "validation", {})
        checkpoint["validation"] = {name: float(value) for name, value in validation.items()}
        checkpoint["proofs"] = dict(self.plan.proofs)
        checkpoint["frozen"] = self.plan.frozen_hashes()
        checkpoint["train_loss"] = ranks.gather(self.train_loss.metric_state)  # so far in an epoch, of each process
        checkpoint["gap"] = self.gap  # the same
        kept = self._kept(checkpoint["state_dict"])
        checkpoint["state_dict"] = {name: checkpoint["state_dict"][name] for name in kept}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the metrics of the last validation; refuse what lacks more than frozen tensors, or has other ones.

        Raises:
            AjusteFinoError: where the checkpoint is that of another model.
            UserError: where the frozen weights are others.
        """
        if checkpoint["frozen"] != self.plan.frozen_hashes():
            fix = "Put back the weights that it began with, or begin a new run with config= in the place of resume=."
            raise UserError("resume", "needs the frozen weights that the run began with, and they have changed", fix=fix)
        if other := sorted(set(self._kept(self.state_dict())) ^ set(checkpoint["state_dict"])):
            raise AjusteFinoError(
                f"The checkpoint is not one of this model. Tensors that one of the two lacks:\n{preview(other)}"
            )
        self.validation = {name: torch.tensor(value) for name, value in checkpoint["validation"].items()}
        self.plan.proofs.update(checkpoint["proofs"])
        self.train_loss_so_far = _share_of(checkpoint["train_loss"])
        self.gap = checkpoint.get("gap", 0.0)  # which those of an older version lack

    def _kept(self, names: Iterable[str]) -> list[str]:
        """Return the tensors that checkpoints have: not frozen ones, nor one under the name that another phase has for it."""
        frozen = tuple(f"{name}." for name, module in self.named_modules() if isinstance(module, Frozen))
        return [name for name in names if not name.startswith(("earlier.", *frozen))]


def _share_of(states: Any) -> dict[str, Tensor]:
    """Return a process's part of the loss so far; where there were other processes, the first has all of it."""
    states = states if isinstance(states, list) else [states]  # that of an older version
    if len(states) == ranks.count():
        return dict(states[ranks.number()])
    return {name: sum(state[name] for state in states) * ranks.is_first() for name in states[0]}
