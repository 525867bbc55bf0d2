"""Validate and keep a moving average of what is trained instead of the weights of the last step."""

from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

SHORT = 2  # epochs; a training of so few has an average mostly of its last ones
FIRST_STEPS = 10  # the same for an average over steps


class _Average(Callback):
    """w̄ ← δ w̄ + (1 − δ) w from time to time; w̄ is validated and saved, and training goes on from w.

    A phase begins from the average of the one before, with a new average. Buffers, BatchNorm's statistics among them, are
    averaged where the phase moves them and otherwise left as they are.
    """

    def __init__(self, decay: float) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay must be at least 0 and below 1; got {decay}")
        self.decay, self.phase = decay, -1
        self.average: list[Tensor] = []
        self.trained: list[Tensor] = []
        self.updates, self.step = 0, 0

    def state_dict(self) -> dict[str, Any]:
        counts = {"updates": self.updates, "phase": self.phase, "step": self.step}
        return {"average": self.average, "trained": self.trained, **counts}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for name, value in state_dict.items():
            setattr(self, name, value)

    def applies(self, trains_backbone: bool) -> bool:
        """Whether a phase is averaged."""
        raise NotImplementedError

    def share(self) -> float:
        """The share of the average so far in the next one."""
        raise NotImplementedError

    @torch.no_grad()
    def update(self, module: Any) -> None:
        """Take the weights as they are into the average."""
        self.updates += 1
        weights = _trained(module)
        if not self.average:
            self.average = [weight.detach().clone() for weight in weights]
        # those of a checkpoint are on the CPU
        self.average = [old.to(new.device) for old, new in zip(self.average, weights, strict=True)]
        torch._foreach_lerp_(self.average, [weight.detach() for weight in weights], 1 - self.share())

    @torch.no_grad()
    def on_validation_start(self, trainer: pl.Trainer, module: Any) -> None:
        """Put the average in the place of the weights."""
        if self.average:
            weights = _trained(module)
            self.trained = [weight.clone() for weight in weights]
            _write(weights, self.average)

    @torch.no_grad()
    def on_train_epoch_start(self, trainer: pl.Trainer, module: Any) -> None:
        """Put the weights back; not before, since an epoch is saved at its end."""
        phase = module.plan.phases.at(trainer.current_epoch).phase
        if self.phase == phase and self.trained:
            _write(_trained(module), self.trained)
        if self.phase != phase:
            self.phase, self.average, self.updates = phase, [], 0
        self.trained = []

    def is_on(self, module: Any) -> bool:
        return self.applies(module.plan.phases[module.moment.phase].trains_backbone)


def _trained(module: Any) -> list[Tensor]:
    """What a phase trains: parameters, and the floating-point buffers of a body that learns its statistics."""
    parameters = [*module.head.parameters(), *module.plan.trained(module.moment.phase)]
    moving = not module.plan.batchnorm_frozen and module.plan.phases[module.moment.phase].trains_backbone
    body = module.bodies[module.moment.phase]
    return parameters + ([buffer for buffer in body.buffers() if buffer.is_floating_point()] if moving else [])


def _write(weights: list[Tensor], values: list[Tensor]) -> None:
    for weight, value in zip(weights, values, strict=True):
        weight.copy_(value)


class WeightAverage(_Average):
    """The average over epochs of a head whose backbone is frozen.

    In epoch n of a phase δ is the smaller of `decay` and n / (2 + n), so that it does not lag in a short training. Drawn
    batches and dropout's masks scatter w about where it is going, and which epoch then has the lowest loss is partly chance.
    Source: Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", *SIAM J. Control Optim.* 30, 1992.

    Raises:
        ValueError: where the decay is not at least 0 and below 1.
    """

    def __init__(self, decay: float = 0.8) -> None:
        super().__init__(decay)

    def applies(self, trains_backbone: bool) -> bool:
        return not trains_backbone

    def share(self) -> float:
        return min(self.decay, self.updates / (SHORT + self.updates))

    def on_validation_start(self, trainer: pl.Trainer, module: Any) -> None:
        if self.is_on(module):
            self.update(module)
        super().on_validation_start(trainer, module)


class StepAverage(_Average):
    """The exponential moving average (EMA) over steps, in phases that train the backbone.

    After step n of a phase δ is the smaller of `decay` and (1 + n) / (10 + n). Source: as `WeightAverage`; Tan and Le,
    "EfficientNet", ICML 2019, section 5.2, for its use.

    Raises:
        ValueError: where the decay is not at least 0 and below 1.
    """

    def __init__(self, decay: float = 0.998) -> None:
        super().__init__(decay)

    def applies(self, trains_backbone: bool) -> bool:
        return trains_backbone

    def share(self) -> float:
        return min(self.decay, (1 + self.updates) / (FIRST_STEPS + self.updates))

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, *_: Any) -> None:
        """Take the weights that a step has changed, which may be one of several batches."""
        if self.is_on(module) and trainer.global_step != self.step:
            self.update(module)
        self.step = trainer.global_step
