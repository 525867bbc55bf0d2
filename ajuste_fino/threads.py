"""How many threads training uses: small work is slower with several, most of all where others use the machine, too."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

FLOPS_PER_THREAD = 1e8  # of a training step; with less each, threads wait for each other (scripts/bench_load.py)
PASSES = 3  # forward, and backward to the inputs and to the weights


@contextmanager
def own_threads() -> Iterator[int]:
    """Yield how many threads torch uses, and restore that number whatever is set in the block."""
    before = torch.get_num_threads()
    try:
        yield before
    finally:
        torch.set_num_threads(before)


def worth(flops: float, most: int) -> int:
    """Return how many threads a training step of so many operations can employ."""
    return max(1, min(most, int(flops / FLOPS_PER_THREAD)))


@contextmanager
def threads_for(flops: float) -> Iterator[None]:
    """Use no more threads than a training step of so many operations can employ; never more than torch would use."""
    with own_threads() as most:
        torch.set_num_threads(worth(flops, most))
        yield


@torch.no_grad()
def flops_of_step(model: nn.Module, inputs: Any, batch_size: int) -> float:
    """Estimate the floating-point operations of one training step from a forward pass of one example.

    It depends on shapes alone, so that the same run has the same number of threads, and the same bits, each time.
    """
    modes = {module: module.training for module in model.modules()}
    model.eval()  # running statistics must not move
    try:
        with FlopCounterMode(display=False) as counter:
            model(inputs)
    finally:
        for module, training in modes.items():
            module.training = training
    return float(PASSES * batch_size * counter.get_total_flops())
