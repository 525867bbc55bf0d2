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


class Sides(NamedTuple):
    """How the sides of an image are resized: `length` px, the first of which has the number `start`, become `resized`.

    All are whole numbers, (2,): of width and height. Of the result the px from `first` on are wanted, which may be a negative
    number.
    """

    start: Tensor
    length: Tensor
    resized: Tensor
    first: Tensor


class Weights(NamedTuple):
    """Of each wanted px of both sides the numbers of its neighbours (2, size, K), and their weights in two parts.

    `parts` is (2, size, 2, K); a weight is (128 · high + low) / 2^bits. `bits` is (2,), `inside` (2, size) says which of the
    wanted px there are.
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
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))


def weights(sides: Sides, size: int, rows: int, taps: int, interpolation: str) -> Weights:
    """Compute what each of `size` px from `sides.first` on is made of.

    Args:
        rows: no fewer than `sides.resized`; the largest weight of all decides how many bits each has.
        taps: K, no fewer neighbours than a px has.
    """
    numbers, resized = torch.arange(rows), sides.resized[:, None]
    there = (numbers < resized)[..., None]  # (2, rows, 1)
    length = sides.length.double()[:, None, None]
    scale = length / resized[..., None].double()
    wide = scale.clamp(min=1)
    centre = scale * (numbers.double() + 0.5)[:, None]
    low = (centre - REACH[interpolation] * wide + 0.5).clamp(min=0).floor()
    x = low + torch.arange(taps).double()  # (2, rows, K)
    there = there & (x < (centre + REACH[interpolation] * wide + 0.5).floor()) & (x < length)
    exact = torch.where(there, (_linear if interpolation == "bilinear" else _cubic)((x - centre + 0.5) / wide), 0.0)
    exact = torch.where(there, exact / exact.sum(2, keepdim=True), 0.0)
    bits = _bits(exact)
    neighbours = torch.minimum(x, length - 1).long() + sides.start[:, None, None]
    wanted = sides.first[:, None] + torch.arange(size)  # (2, size)
    places = torch.minimum(wanted.clamp(min=0), resized - 1) + torch.tensor([[0], [rows]])
    neighbours, exact = (t.flatten(0, 1).index_select(0, places.flatten()).unflatten(0, (2, size)) for t in (neighbours, exact))
    return Weights(neighbours, _parts(exact, bits), bits, (wanted >= 0) & (wanted < resized))


def _bits(exact: Tensor) -> Tensor:
    """(2, rows, K) → (2,): how many bits behind the point the weights have, so that the largest fits in 16."""
    powers = 2 ** torch.arange(1, MOST_BITS + 1).double()
    return ((exact.amax((1, 2))[:, None] * powers + 0.5).floor() < LIMIT).double().sum(1)


def _parts(exact: Tensor, bits: Tensor) -> Tensor:
    """(2, size, K) → (2, size, 2, K): the weights as whole numbers, rounded away from zero at a half, in two parts."""
    scaled = exact * 2 ** bits[:, None, None]
    whole = torch.where(scaled < 0, (scaled - 0.5).ceil(), (scaled + 0.5).floor())
    high = (whole / 2**LOW_BITS).floor()
    return torch.stack([high, whole - high * 2**LOW_BITS], 2).float()


def along(images: Tensor, by: Weights, side: int) -> Tensor:
    """(N, L, D), whole numbers from 0 to 255, L along a side, 0 the width → (N, size, D), the same."""
    size, taps = by.neighbours.shape[1:]
    near = images.index_select(1, by.neighbours[side].flatten()).reshape(images.shape[0], size, taps, images.shape[2])
    high, low = (by.parts[side] @ near).unbind(2)  # (N, size, D)
    unit = 2 ** (by.bits[side].float() - LOW_BITS)
    return ((high + (low / 2**LOW_BITS).floor()) / unit + 0.5).floor().clamp(0, 255)
