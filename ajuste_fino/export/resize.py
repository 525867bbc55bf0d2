"""The resize of training as operations of tensors, sizes among them, so that a graph takes images of any size.

torch resizes uint8 by two passes, along the width and then along the height. In each, a pixel is a weighted sum of its
neighbours; the weights are rounded to 16 bits, and the sum to uint8. The same is computed here, to the bit: products of whole
numbers, each sum below 2²⁴, which float32 holds exactly.
"""

from typing import NamedTuple

import torch
from torch import Tensor

LOW_BITS = 7  # of a weight, which are summed apart
MOST_BITS = 22  # behind the point of a weight
LIMIT = 2**15  # of a weight of 16 bits
A = -0.5  # of the cubic filter, as Pillow has it
REACH = {"bilinear": 1, "bicubic": 2}  # px on each side, where an image is not made smaller


class Axis(NamedTuple):
    """How one side of an image is resized: `length` px, the first of which has the number `start`, become `resized`.

    All are whole numbers, tensors (). Of the result the px from `first` on are wanted, which may be a negative number.
    """

    start: Tensor
    length: Tensor
    resized: Tensor
    first: Tensor


class Weights(NamedTuple):
    """Of each wanted px the numbers of its neighbours (size, K), and their weights, in two parts (size, 2, K).

    A weight is (128 · high + low) / 2^bits. `inside` (size,) says which of the wanted px there are.
    """

    neighbours: Tensor
    parts: Tensor
    bits: Tensor
    inside: Tensor


def _linear(x: Tensor) -> Tensor:
    return (1 - x.abs()).clamp(min=0)


def _cubic(x: Tensor) -> Tensor:
    x = x.abs()
    near = ((A + 2) * x - (A + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * A
    return torch.where(x < 1, near, torch.where(x < 2, far, torch.zeros_like(x)))


def weights(axis: Axis, size: int, rows: int, taps: int, interpolation: str) -> Weights:
    """Compute what each of `size` px from `axis.first` on is made of.

    Args:
        rows: no fewer than `axis.resized`; the largest weight of all decides how many bits each has.
        taps: K, no fewer neighbours than a px has.
    """
    numbers = torch.arange(rows)
    there = (numbers < axis.resized)[:, None]
    scale = axis.length.double() / axis.resized.double()
    wide = scale.clamp(min=1)
    support = REACH[interpolation] * wide
    centre = (scale * (numbers.double() + 0.5))[:, None]
    low = (centre - support + 0.5).clamp(min=0).floor()
    high = torch.minimum((centre + support + 0.5).floor(), axis.length.double())
    x = low + torch.arange(taps).double()
    exact = (_linear if interpolation == "bilinear" else _cubic)((x - centre + 0.5) / wide)
    exact = torch.where(there & (x < high), exact, torch.zeros_like(exact))
    exact = exact / torch.where(there, exact.sum(1, keepdim=True), torch.ones_like(centre))
    powers = 2 ** torch.arange(1, MOST_BITS + 1).double()
    bits = ((exact.amax((0, 1)) * powers + 0.5).floor() < LIMIT).long().sum()
    whole = exact * 2 ** bits.double()
    whole = torch.where(whole < 0, (whole - 0.5).ceil(), (whole + 0.5).floor())
    part = (whole / 2**LOW_BITS).floor()
    wanted = axis.first + torch.arange(size)
    rows_of = wanted.clamp(min=0).minimum(axis.resized - 1)
    parts = torch.stack([part, whole - part * 2**LOW_BITS], 1).float()
    neighbours = torch.minimum(x, axis.length.double() - 1).long() + axis.start
    inside = (wanted >= 0) & (wanted < axis.resized)
    return Weights(neighbours.index_select(0, rows_of), parts.index_select(0, rows_of), bits, inside)


def along(images: Tensor, by: Weights) -> Tensor:
    """(N, L, D), whole numbers from 0 to 255, L along the side that is resized → (N, size, D), the same."""
    size, taps = by.neighbours.shape
    near = images.index_select(1, by.neighbours.flatten()).reshape(images.shape[0], size, taps, images.shape[2])
    high, low = (by.parts @ near).unbind(2)  # (N, size, D)
    half = 2.0 ** (by.bits.float() - 1 - LOW_BITS)
    sums = high + (low / 2**LOW_BITS).floor() + half
    return (sums / 2.0 ** (by.bits.float() - LOW_BITS)).floor().clamp(0, 255)
