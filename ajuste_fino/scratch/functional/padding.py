"""Padding by copying: every padded row or column is one of the image's, or a constant."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ajuste_fino.scratch.functional.function import Function, overridable


class Constant(Function):
    """The image inside a larger one that is filled with a value. `sides` are (left, right) of each dimension."""

    @staticmethod
    def forward(x: Tensor, sides: tuple[tuple[int, int], ...], value: float) -> Tensor:
        shape = [size + left + right for size, (left, right) in zip(x.shape, sides, strict=True)]
        y = x.new_full(shape, value)
        y[_inside(x.shape, sides)] = x
        return y

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        x, ctx.sides, _ = inputs
        ctx.shape = x.shape

    # each pixel of the image has one copy, so its gradient is the copy's
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple:
        return g[_inside(ctx.shape, ctx.sides)].contiguous(), None, None


def _inside(shape: Sequence[int], sides: Sequence[tuple[int, int]]) -> tuple[slice, ...]:
    return tuple(slice(left, left + size) for size, (left, _) in zip(shape, sides, strict=True))


class Copies(Function):
    """y[…, i] = x[…, source[i]] along one dimension."""

    @staticmethod
    def forward(x: Tensor, source: Tensor, dim: int) -> Tensor:
        return x.index_select(dim, source)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        x, source, ctx.dim = inputs
        ctx.size = x.shape[ctx.dim]
        ctx.save_for_backward(source)

    # a pixel's gradient is the sum of its copies' gradients
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple:
        (source,) = ctx.saved_tensors
        shape = list(g.shape)
        shape[ctx.dim] = ctx.size
        return g.new_zeros(shape).index_add(ctx.dim, source, g), None, None


@overridable
def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Torch's order: `pad` is (left, right) of the last dimension, then of the one before, and so on.

    Modes: constant; reflect (the border is not repeated), replicate, circular.

    Raises:
        RuntimeError: for a reflection as large as the image, or a circle more than once around it.
        NotImplementedError: for another mode.
    """
    padded = surround(input, pad, mode, value or 0.0)
    return padded.clone() if padded is input else padded


def surround(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float = 0.0) -> Tensor:
    """`pad`, but it returns the input itself if there is nothing to pad. A negative side crops."""
    sides = [(pad[k], pad[k + 1]) for k in range(0, len(pad), 2)]
    if mode == "constant":
        whole = [(0, 0)] * (input.ndim - len(sides)) + sides[::-1]
        if min(pad, default=0) < 0:
            cut = [slice(max(0, -left), size - max(0, -right)) for size, (left, right) in zip(input.shape, whole, strict=True)]
            input = input[tuple(cut)].clone()
        beyond = tuple((max(0, left), max(0, right)) for left, right in whole)
        return Constant.apply(input, beyond, value) if max(pad, default=0) > 0 else input
    for back, (left, right) in enumerate(sides, 1):
        if left or right:
            source = _source(mode, input.shape[-back], left, right).to(input.device)
            input = Copies.apply(input, source, input.ndim - back)
    return input


def _source(mode: str, size: int, left: int, right: int) -> Tensor:
    """Which pixel of a side each padded position copies."""
    positions = torch.arange(-left, size + right)
    if mode == "replicate":
        return positions.clamp(0, size - 1)
    if mode == "circular":
        if max(left, right) > size:
            raise RuntimeError(f"Padding value causes wrapping around more than once: {left}, {right} on a side of {size}")
        return positions % size
    if mode == "reflect":
        if max(left, right) >= size:
            raise RuntimeError(f"Padding size should be less than the corresponding input dimension: {left}, {right} on {size}")
        return (size - 1) - ((size - 1) - positions.abs()).abs()
    raise NotImplementedError(f"Unrecognised padding mode {mode}: constant, reflect, replicate or circular")
