"""Convolution, as every library means it: the correlation y[o] = Σ_c Σ_k x[c, · + k] w[o, c, k] + b[o].

For a third tensor g of y's shape, Σ g ⊙ y is linear in x, in w and in g. Its derivatives by the three are the three
operations of a convolutional layer, and each one's derivatives are the other two:

    by g: y = x ∗ w, `correlate`;   by x: ∂L/∂x, `input_grad`;   by w: ∂L/∂w, `weight_grad`.

Source: Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 9.5, where they are c, h and g.
The lecture's slide flips the kernel (Σ I[k] K[n+k]); no library does.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from ajuste_fino.scratch.functional.checks import check, fits, zeros
from ajuste_fino.scratch.functional.function import Function, autocast_operands, layout, materialize, overridable, pair
from ajuste_fino.scratch.functional.geometry import Geometry, Pair, taps, windows
from ajuste_fino.scratch.functional.padding import surround


class Convolution(Function):
    """x (N, C, H, W) padded, w (O, C / groups, kh, kw), b (O) or None → y (N, O, oh, ow)."""

    @staticmethod
    def forward(x: Tensor, w: Tensor, b: Tensor | None, geometry: Geometry) -> Tensor:
        y = correlate(x, w, geometry)
        return y if b is None else y.add_(b[:, None, None])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        x, w, b, ctx.geometry = inputs
        ctx.biased, ctx.shapes = b is not None, (x.shape, w.shape)
        need = ctx.needs_input_grad  # a frozen layer keeps nothing that only its weights would ask for
        ctx.save_for_backward(x if need[1] else None, w if need[0] else None)

    # ∂L/∂x = input_grad(g, w), ∂L/∂w = weight_grad(g, x), ∂L/∂b = Σ over images and places of g
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple:
        x, w = ctx.saved_tensors
        need = ctx.needs_input_grad
        return (
            InputGradient.apply(g, w.conj(), ctx.shapes[0], ctx.geometry) if need[0] else None,
            WeightGradient.apply(g, x.conj(), ctx.shapes[1], ctx.geometry) if need[1] else None,
            g.sum((0, 2, 3)) if ctx.biased and need[2] else None,
            None,
        )


class InputGradient(Function):
    """g (N, O, oh, ow), w → (N, C, H, W)."""

    @staticmethod
    def forward(g: Tensor, w: Tensor, shape: torch.Size, geometry: Geometry) -> Tensor:
        return input_grad(g, w, shape, geometry)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        g, w, _, ctx.geometry = inputs
        ctx.save_for_backward(g, w)

    # linear in g and in w: the derivative by g is a convolution again, the one by w the gradient of a weight
    @staticmethod
    def backward(ctx: Any, v: Tensor) -> tuple:
        g, w = ctx.saved_tensors
        by_g = Convolution.apply(v, w.conj(), None, ctx.geometry)
        return by_g, WeightGradient.apply(g.conj(), v, w.shape, ctx.geometry), None, None


class WeightGradient(Function):
    """g (N, O, oh, ow), x → (O, C / groups, kh, kw)."""

    @staticmethod
    def forward(g: Tensor, x: Tensor, shape: torch.Size, geometry: Geometry) -> Tensor:
        return weight_grad(g, x, shape, geometry)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        g, x, _, ctx.geometry = inputs
        ctx.save_for_backward(g, x)

    # linear in g and in x: the derivative by g is a convolution with v as kernel, the one by x the gradient of an input
    @staticmethod
    def backward(ctx: Any, v: Tensor) -> tuple:
        g, x = ctx.saved_tensors
        by_g = Convolution.apply(x.conj(), v, None, ctx.geometry)
        return by_g, InputGradient.apply(g.conj(), v, x.shape, ctx.geometry), None, None


def correlate(x: Tensor, w: Tensor, geometry: Geometry) -> Tensor:
    """Multiply the kernels, as rows, by the windows of the image, as columns: one matrix product for a few images.

    Both factors are transposed, here and in `weight_grad`, because BLAS is faster when the long side comes first.
    """
    places = windows(x, w.shape[2:], geometry.stride, geometry.dilation)  # (N, C, kh, kw, oh, ow)
    rows, size = _rows(w, geometry), _at_once(places.shape[1:].numel(), x.device)
    parts = ((_columns(part, geometry).mT @ rows.mT).mT for part in places.split(size))  # (n, G, O/G, oh·ow)
    return _joined(parts, size, (len(x), len(w), *places.shape[4:]))


def input_grad(g: Tensor, w: Tensor, shape: torch.Size, geometry: Geometry) -> Tensor:
    """∂L/∂x: the gradient of each column, Wᵀ g, is added to the pixels that the column was read from."""
    columns = _rows(w, geometry).mT  # (G, K, O/G)
    kernel, out = tuple(w.shape[2:]), tuple(g.shape[2:])

    def images(part: Tensor) -> Tensor:
        seen = (columns @ part).reshape(len(part), shape[1], *kernel, *out)
        x = seen.new_zeros(len(part), *shape[1:])
        for i, j, side in taps(kernel, geometry.stride, geometry.dilation, out):
            x[(..., *side)] += seen[:, :, i, j]
        return x

    size = _at_once(shape[1] * math.prod(kernel) * math.prod(out), g.device)
    return _joined(map(images, _places(g, geometry).split(size)), size, shape)


def weight_grad(g: Tensor, x: Tensor, shape: torch.Size, geometry: Geometry) -> Tensor:
    """∂L/∂w: g times the transposed columns, summed over the images."""
    places = windows(x, shape[2:], geometry.stride, geometry.dilation)
    size = _at_once(places.shape[1:].numel(), x.device)
    parts = zip(_places(g, geometry).split(size), places.split(size), strict=True)
    return materialize(sum((_columns(seen, geometry) @ part.mT).sum(0) for part, seen in parts).mT, shape)


def _rows(w: Tensor, geometry: Geometry) -> Tensor:
    """(O, C/G, kh, kw) → (G, O/G, K), one kernel per row."""
    return w.reshape(geometry.groups, len(w) // geometry.groups, w[0].numel())


def _columns(places: Tensor, geometry: Geometry) -> Tensor:
    """(n, C, kh, kw, oh, ow) → (n, G, K, oh·ow), one window per column. This copies the image kh · kw times."""
    n, channels, *kernel, height, width = places.shape
    return places.reshape(n, geometry.groups, channels // geometry.groups * math.prod(kernel), height * width)


def _places(g: Tensor, geometry: Geometry) -> Tensor:
    """(N, O, oh, ow) → (N, G, O/G, oh·ow)."""
    return g.reshape(len(g), geometry.groups, g.shape[1] // geometry.groups, g.shape[2] * g.shape[3])


def _at_once(elements: int, device: torch.device) -> int:
    """How many images to compute at once, for `elements` in the columns of each. On a CPU they fit its caches."""
    limit = 2**19 if device.type == "cpu" else 2**26
    return max(1, limit // max(1, elements))


def _joined(parts: Iterable[Tensor], size: int, shape: Sequence[int]) -> Tensor:
    """Join parts of `size` images into one tensor of that shape. Each is copied as soon as it is computed."""
    whole = None
    for number, part in enumerate(parts):
        whole = part.new_empty(tuple(shape)) if whole is None else whole
        whole[number * size : number * size + len(part)].view(part.shape).copy_(part)
    assert whole is not None
    return whole


@overridable
def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Pair = 1,
    padding: str | int | Pair = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
) -> Tensor:
    """(N, C, H, W) or (C, H, W), with weight (O, C / groups, kh, kw) and bias (O) → (N, O, oh, ow) or (O, oh, ow).

    Args:
        padding: zeros on each side. "valid" means none; "same" keeps the size, for stride 1.

    Raises:
        RuntimeError, ValueError: as torch.nn.functional.conv2d, for shapes, types and numbers that do not fit.
    """
    geometry = Geometry(pair(stride), pair(dilation), groups)
    input, weight, bias = autocast_operands(input, weight, bias)
    check(input, weight, bias, geometry, padding)
    batch = input if input.ndim == 4 else input[None]
    padded = surround(batch, zeros(padding, weight.shape[2:], geometry.dilation))
    fits(padded, weight, geometry)
    y = Convolution.apply(padded, weight, bias, geometry).contiguous(memory_format=layout(input))
    return y if input.ndim == 4 else y[0]


@overridable
def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int] = 1,
    padding: str | int | tuple[int] = 0,
    dilation: int | tuple[int] = 1,
    groups: int = 1,
) -> Tensor:
    """(N, C, L) or (C, L), with weight (O, C / groups, k) → (N, O, l) or (O, l): an image of height 1."""
    geometry = Geometry((1, pair(stride)[0]), (1, pair(dilation)[0]), groups)
    input, weight, bias = autocast_operands(input, weight, bias)
    check(input, weight, bias, geometry, padding, dimensions=1)
    sides = padding if isinstance(padding, str) else (0, pair(padding)[0])
    y = conv2d(input.unsqueeze(-2), weight.unsqueeze(-2), bias, geometry.stride, sides, geometry.dilation, groups)
    return y.squeeze(-2)
