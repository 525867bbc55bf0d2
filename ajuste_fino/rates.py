"""The learning rates of a phase as a function of the step, whatever schedule gives them."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from ajuste_fino.schedules import StepSchedule

Settings = list[dict[str, Any]]  # of each group of parameters: its learning rate, and whatever else a schedule changes


class Rates:
    """What each group of parameters is trained with, in each step of a phase.

    A schedule of torch's is stepped once an epoch, beforehand, on an optimizer with one number a group; so a run that is
    resumed needs no state of it.

    Args:
        optimizer: groups → optimizer.
        schedule: optimizer → schedule.
        lrs: the learning rate of each group; None: the optimizer's.
        epochs: of the phase.
    """

    def __init__(
        self,
        optimizer: Callable[..., Optimizer],
        schedule: Callable[[Optimizer], LRScheduler],
        lrs: Sequence[Callable[[float], float]],
        epochs: int,
    ) -> None:
        tried = optimizer([{"params": [nn.Parameter(torch.zeros(1))]} for _ in lrs])
        for group, lr in zip(tried.param_groups, lrs, strict=True):
            group["lr"] = lr(group["lr"])
        self.start, self.epochs = _settings(tried), epochs
        steps = schedule(tried)
        self.schedule = steps if isinstance(steps, StepSchedule) else None
        self.table = [] if self.schedule else [_settings(tried), *(_after_epoch(tried, steps) for _ in range(epochs - 1))]

    def at(self, epoch: int, share: float) -> Settings:
        """Return the settings of each group in an epoch of the phase, from 0, after a share of its steps."""
        if self.schedule is None:
            return self.table[min(epoch, self.epochs - 1)]
        factor = self.schedule.factor((epoch + share) / self.epochs)
        return [{**group, "lr": group["lr"] * factor} for group in self.start]


def _settings(optimizer: Optimizer) -> Settings:
    return [{name: value for name, value in group.items() if name != "params"} for group in optimizer.param_groups]


def _after_epoch(optimizer: Optimizer, schedule: LRScheduler) -> Settings:
    optimizer.step()  # of nothing; torch warns where a schedule is stepped before its optimizer
    schedule.step()
    return _settings(optimizer)
