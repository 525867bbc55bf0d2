"""Several digits in one image, to be read from left to right, and networks that read them.

The book's data, photographs of house numbers, is not at hand. Handwritten digits side by side stand in for it, each at a place
of its own, close to its neighbours, on a canvas with noise all over.
"""

from math import ceil

import torch
from torch import Tensor

from ajuste_fino.lecture.data import Split
from ajuste_fino.scratch import nn

DIGITS = 3  # in one image
HEIGHT, WIDTH = 12, 28  # px
NOISE = 0.3  # of the digits' standard deviation
POOLINGS = 2  # each halves the sides of the maps, whatever the depth


def numbers(data: Split, count: int, seed: int) -> Split:
    """Images (count, 1, 12, 28) of drawn digits, and these digits (count, 3)."""
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randint(len(data.y), (count, DIGITS), generator=generator)
    tops = torch.randint(HEIGHT - 7, (count, DIGITS), generator=generator)
    lefts = torch.randint(2, (count, DIGITS), generator=generator) + torch.arange(DIGITS) * 9
    images = torch.full((count, 1, HEIGHT, WIDTH), float(data.x.min()))
    for n in range(count):
        for digit, top, left in zip(chosen[n], tops[n], lefts[n], strict=True):
            images[n, :, top : top + 8, left : left + 8] = data.x[digit]
    return Split(images + NOISE * torch.randn(images.shape, generator=generator), data.y[chosen])


def reader(depth: int, filters: int, hidden: int, seed: int) -> torch.nn.Sequential:
    """`depth` hidden layers, all but the last convolutions: (N, 1, 12, 28) → logits of all digits in turn, (3 · N, 10).

    Two poolings divide the convolutions into three parts of one length, as far as they can. He's initial weights, which do not
    favour a depth.
    """
    torch.manual_seed(seed)
    convolutions, layers = depth - 1, list[torch.nn.Module]()
    pooled = {ceil(convolutions * n / (POOLINGS + 1)) for n in range(1, POOLINGS + 1)}
    for n in range(1, convolutions + 1):
        layers += [torch.nn.Conv2d(1 if n == 1 else filters, filters, 3, padding=1), torch.nn.ReLU()]
        layers += [torch.nn.MaxPool2d(2)] if n in pooled else []
    cells = (HEIGHT // 2**POOLINGS) * (WIDTH // 2**POOLINGS)
    layers += [torch.nn.Flatten(), nn.Linear(filters * cells, hidden), nn.ReLU(), nn.Linear(hidden, DIGITS * 10)]
    for layer in layers:
        if isinstance(layer, torch.nn.Conv2d | nn.Linear):
            torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            torch.nn.init.zeros_(torch.as_tensor(layer.bias))
    return torch.nn.Sequential(*layers, torch.nn.Unflatten(1, (DIGITS, 10)), torch.nn.Flatten(0, 1))


def size(net: torch.nn.Module) -> int:
    """How many parameters a network has."""
    return sum(parameter.numel() for parameter in net.parameters())


@torch.inference_mode()
def right(net: torch.nn.Module, test: Split) -> Tensor:
    """Which digits of each image are read rightly, (N, 3) of bool."""
    return net.eval()(test.x).argmax(1).view_as(test.y) == test.y
