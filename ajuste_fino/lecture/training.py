"""The plain training loop of the experiments: minibatches without replacement, one step each."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ajuste_fino.scratch.functional import cross_entropy


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute in one thread: a network this small loses more by waiting for a second one than it gains."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


Watch = Callable[[int], None]


def falling_rate(optimizer: Optimizer, epochs: int) -> Watch:
    """What lets the rate fall linearly, epoch by epoch (algorithm 8.1's schedule), so that the weights settle."""
    (group,) = optimizer.param_groups
    first = group["lr"]

    def lower(epoch: int) -> None:
        group["lr"] = first * (1 - (epoch + 1) / epochs)

    return lower


def train(
    net: nn.Module,
    optimizer: Optimizer,
    x: Tensor,
    y: Tensor,
    epochs: int,
    seed: int,
    batch: int = 64,
    watch: Watch | None = None,
) -> list[float]:
    """Minimise the cross-entropy (algorithm 8.1's loop); return the loss of every step. `watch` is called after each epoch.

    A rest of one image is left out of its epoch.
    """
    generator, losses = torch.Generator().manual_seed(seed), []
    for epoch in range(epochs):
        net.train()
        for chosen in torch.randperm(len(y), generator=generator).split(batch):
            if len(chosen) == 1 < len(y):  # a rest of one has no variance, which BatchNorm divides by
                continue
            optimizer.zero_grad()
            loss = cross_entropy(net(x[chosen]), y[chosen].flatten())
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        if watch is not None:
            watch(epoch)
    return losses


@torch.inference_mode()
def accuracy(net: nn.Module, x: Tensor, y: Tensor) -> float:
    """The share of images whose largest logit is that of their class."""
    return agreement(net.eval()(x).argmax(1), y)


def agreement(a: Tensor, b: Tensor) -> float:
    """The share of places (N,) where two lists of classes are equal."""
    return float((a == b).float().mean())
