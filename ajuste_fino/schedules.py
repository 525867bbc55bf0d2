"""Schedules of the learning rate that change with every step, whatever the number of steps."""

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


class StepSchedule(LambdaLR):
    """A factor of the learning rate that depends on the share of the training that is done; stepped once an epoch, too."""

    def __init__(self, optimizer: Optimizer, epochs: int) -> None:
        super().__init__(optimizer, lambda epoch: self.factor(epoch / epochs))

    def factor(self, done: float) -> float:
        """Share of the training that is done, from 0 to 1 → factor of the learning rate."""
        raise NotImplementedError


class WarmupCosine(StepSchedule):
    """A learning rate that rises from `start` of itself, then falls along half a cosine to `end` of it.

    Sources: Goyal et al., "Accurate, Large Minibatch SGD", 2017, section 2.2; Loshchilov and Hutter, "SGDR", ICLR 2017.

    Args:
        warmup: share of the training in which it rises.

    Raises:
        ValueError: where a share is not between 0 and 1.
    """

    def __init__(self, optimizer: Optimizer, epochs: int, warmup: float = 0.1, start: float = 0.04, end: float = 0.0) -> None:
        if not (0 <= warmup < 1 and 0 <= start <= 1 and 0 <= end <= 1):
            raise ValueError(f"warmup must be 0 to below 1, start and end 0 to 1; got {warmup}, {start}, {end}")
        self.warmup, self.first, self.last = warmup, start, end
        super().__init__(optimizer, epochs)

    def factor(self, done: float) -> float:
        if done < self.warmup:
            return self.first + (1 - self.first) * done / self.warmup
        falling = min((done - self.warmup) / (1 - self.warmup), 1.0)
        return self.last + (1 - self.last) * (1 + math.cos(math.pi * falling)) / 2
