"""Validate and keep a moving average of the head's weights instead of those of the last step."""

from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

SHORT = 2  # epochs; a training of so few has an average mostly of its last ones


class WeightAverage(Callback):
    """w̄ ← δ w̄ + (1 − δ) w at the end of each epoch; w̄ is validated and saved, and training goes on from w.

    In epoch n δ is the smaller of `decay` and n / (2 + n), so that it does not lag in a short training. Drawn batches and
    dropout's masks scatter w about where it is going, and which epoch then has the lowest loss is partly chance.

    Only a head is averaged whose backbone is frozen: the statistics of a BatchNorm belong to weights, not to their average.
    Source: Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", *SIAM J. Control Optim.* 30, 1992.

    Raises:
        ValueError: where the decay is not at least 0 and below 1.
    """

    def __init__(self, decay: float = 0.8) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay must be at least 0 and below 1; got {decay}")
        self.decay = decay
        self.average: list[Tensor] = []
        self.trained: list[Tensor] = []

    def state_dict(self) -> dict[str, Any]:
        return {"average": self.average, "trained": self.trained}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.average, self.trained = state_dict["average"], state_dict["trained"]

    @torch.no_grad()
    def on_validation_start(self, trainer: pl.Trainer, module: Any) -> None:
        """Put the average in the place of the weights."""
        if any(parameter.requires_grad for parameter in module.body.parameters()):
            return
        weights, epoch = list(module.head.parameters()), trainer.current_epoch + 1
        self.trained = [weight.clone() for weight in weights]
        decay = min(self.decay, epoch / (SHORT + epoch))
        for weight, average in zip(weights, self.average or self.trained, strict=True):
            weight.lerp_(average, decay)
        self.average = [weight.clone() for weight in weights]

    @torch.no_grad()
    def on_train_epoch_start(self, trainer: pl.Trainer, module: Any) -> None:
        """Put the weights back; not before, since an epoch is saved at its end."""
        for weight, trained in zip(module.head.parameters(), self.trained, strict=False):  # there are none at first
            weight.copy_(trained)
