"""Pooling by sums: the mean of each window, a weighted mean, and the p-norm.

Source: Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 9.3, which names the average, the L² norm, and
the average weighted by the distance from the central pixel beside the maximum.
"""

from typing import Any

import torch
from torch import Tensor

from ajuste_fino.scratch.functional.convolution import conv2d
from ajuste_fino.scratch.functional.function import Function, layout, overridable, pair, upcast
from ajuste_fino.scratch.functional.geometry import Pair, taps
from ajuste_fino.scratch.functional.maximum import max_pool2d
from ajuste_fino.scratch.functional.padding import surround
from ajuste_fino.scratch.functional.pools import Pool, check_pool


class WindowSum(Function):
    """y = Σ_k x_k over each window; x (N, C, H, W) padded → (N, C, oh, ow)."""

    @staticmethod
    def forward(x: Tensor, pool: Pool, out: Pair) -> Tensor:
        y = None
        for _, _, side in taps(pool.kernel, pool.stride, (1, 1), out):
            y = x[(..., *side)].clone(memory_format=layout(x)) if y is None else y.add_(x[(..., *side)])
        assert y is not None
        return y

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        x, ctx.pool, ctx.out = inputs
        ctx.shape = x.shape

    # every element of a window has slope 1: it collects the gradients of the windows that it is in
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple:
        x = g.new_zeros(ctx.shape)
        for _, _, side in taps(ctx.pool.kernel, ctx.pool.stride, (1, 1), ctx.out):
            x[(..., *side)] += g
        return x, None, None


class Root(Function):
    """y = s^(1/p), s a sum of powers."""

    @staticmethod
    def forward(s: Tensor, p: float) -> Tensor:
        return s.pow(1 / p)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        s, ctx.p = inputs
        ctx.save_for_backward(s)

    # ∂y/∂s = s^(1/p − 1) / p, and at s = 0, where there is none, 0
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple:
        (s,) = ctx.saved_tensors
        empty = s == 0
        slope = s.masked_fill(empty, 1).pow(1 / ctx.p - 1) / ctx.p
        return g * slope.masked_fill(empty, 0), None


def window_sum(x: Tensor, pool: Pool) -> Tensor:
    """(N, C, H, W) → (N, C, oh, ow), zeros around the image."""
    return WindowSum.apply(surround(x, pool.margins(x.shape[2:])), pool, pool.out(x.shape[2:]))


def counts(size: torch.Size, pool: Pool, count_include_pad: bool, like: Tensor) -> Tensor:
    """(oh, ow), the number of elements in each mean. Padding counts if asked for; what lies beyond it never counts."""
    sides = []
    for d, number in enumerate(pool.out(size)):
        first = torch.arange(number, device=like.device) * pool.stride[d] - pool.padding[d]
        last = (first + pool.kernel[d]).clamp(max=size[d] + pool.padding[d])
        inside = last.clamp(max=size[d]) - first.clamp(min=0)
        sides.append(last - first if count_include_pad else inside)
    return (sides[0][:, None] * sides[1]).to(like.dtype)


@overridable
def avg_pool2d(
    input: Tensor,
    kernel_size: int | Pair,
    stride: int | Pair | None = None,
    padding: int | Pair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """(N, C, H, W) or (C, H, W) → (…, oh, ow), the mean of each window.

    Raises:
        RuntimeError: as torch.nn.functional.avg_pool2d, for shapes and numbers that do not fit.
    """
    if divisor_override == 0:
        raise RuntimeError("divisor must be not zero: leave divisor_override=None for the size of the window")
    pool = Pool.of(kernel_size, stride, padding, 1, ceil_mode)
    check_pool(input, pool)
    batch = upcast(input if input.ndim == 4 else input[None])
    total = window_sum(batch, pool)
    whole = None if batch.is_floating_point() or batch.is_complex() else "trunc"  # whole numbers stay whole
    count = divisor_override or counts(batch.shape[2:], pool, count_include_pad, total)
    y = torch.div(total, count, rounding_mode=whole).to(input.dtype)
    return y if input.ndim == 4 else y[0]


@overridable
def lp_pool2d(
    input: Tensor,
    norm_type: float,
    kernel_size: int | Pair,
    stride: int | Pair | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """(Σ x^p)^(1/p) over each window; p = ∞ is max pooling of |x|. The gradient of a window of zeros is zero."""
    if norm_type == 0:
        raise ValueError(f"norm_type must be a non-zero value, but got {norm_type}")
    if abs(norm_type) == float("inf"):
        sign = 1 if norm_type > 0 else -1
        return sign * max_pool2d(sign * input.abs(), kernel_size, stride, ceil_mode=ceil_mode)
    kernel = pair(kernel_size)
    powers = avg_pool2d(upcast(input).pow(norm_type), kernel, stride, ceil_mode=ceil_mode) * (kernel[0] * kernel[1])
    return Root.apply(powers, norm_type).to(input.dtype)


@overridable
def weighted_avg_pool2d(input: Tensor, weight: Tensor, stride: int | Pair | None = None, padding: int | Pair = 0) -> Tensor:
    """Σ_k w_k x_k / Σ_k w_k over each window, with one mask w (kh, kw) for all channels; gradients by x and by w.

    Zeros around the image count with their weight, as in `avg_pool2d`.
    """
    mask = weight / weight.sum()
    pool = Pool.of(tuple(weight.shape), stride, padding, 1, False)  # type: ignore[arg-type]
    check_pool(input, pool)
    planes = input.reshape(-1, 1, *input.shape[-2:])  # every channel is an image: all share the mask
    y = conv2d(planes, mask[None, None], None, pool.stride, pool.padding)
    return y.reshape(*input.shape[:-2], *y.shape[2:])
