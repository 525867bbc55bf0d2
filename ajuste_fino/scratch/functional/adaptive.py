"""Pooling to a given size from any size: bin i of n on a side of s pixels reaches from ⌊i s / n⌋ to ⌈(i + 1) s / n⌉."""

from typing import Any

import torch
from torch import Tensor

from ajuste_fino.scratch.functional.function import Function, layout, overridable, upcast
from ajuste_fino.scratch.functional.geometry import windows
from ajuste_fino.scratch.functional.maximum import Maximum

Size = int | None | tuple[int | None, int | None]


def bins(size: int, count: int) -> tuple[Tensor, Tensor]:
    """The first pixel of each bin and the one after its last, (count,) each."""
    number = torch.arange(count, device="cpu")
    return number * size // count, ((number + 1) * size + count - 1) // count


class AdaptiveMean(Function):
    """The mean of each bin, along the rows and then along the columns; x (…, H, W) → (…, oh, ow)."""

    @staticmethod
    def forward(x: Tensor, out: tuple[int, int]) -> Tensor:
        return means(means(x, -1, out[1]), -2, out[0])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        x, ctx.out = inputs
        ctx.sizes = x.shape[-2:]

    # every pixel of a bin of n has slope 1 / n
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple:
        return shares(shares(g, -2, ctx.sizes[0]), -1, ctx.sizes[1]), None


def means(x: Tensor, dim: int, count: int) -> Tensor:
    """The mean of each of `count` bins of a side."""
    size = x.shape[dim]
    if count and size % count == 0:  # bins of one size are a dimension of their own
        return x.unflatten(dim, (count, size // count)).mean(dim)
    members, outside, lengths = _members(size, count, x.device)
    places = members.flatten()
    seen = x.index_select(dim, places).unflatten(dim, members.shape)
    shape = (-1, *[1] * (-1 - dim))
    return seen.masked_fill(outside.reshape(*members.shape, *shape[1:]), 0).sum(dim) / lengths.to(x.dtype).reshape(shape)


def shares(g: Tensor, dim: int, size: int) -> Tensor:
    """The gradient of `means`: each bin gives its gradient, divided by its length, to each of its pixels."""
    count = g.shape[dim]
    if count and size % count == 0:
        return (g / (size // count)).repeat_interleave(size // count, dim)
    members, outside, lengths = _members(size, count, g.device)
    shape = (-1, *[1] * (-1 - dim))
    each = (g / lengths.to(g.dtype).reshape(shape)).repeat_interleave(members.shape[1], dim)
    each = each.masked_fill(outside.reshape(shape), 0)
    whole = list(g.shape)
    whole[dim] = size
    return g.new_zeros(whole).index_add(dim % g.ndim, members.flatten(), each)


class AdaptiveMax(Maximum):
    """The largest of each bin, and its place i · W + j in the image."""

    @staticmethod
    def forward(x: Tensor, out: tuple[int, int]) -> tuple[Tensor, Tensor]:
        rows, columns = (_members(size, count, x.device)[0] for size, count in zip(x.shape[-2:], out, strict=True))
        members = (rows[:, None, :, None] * x.shape[-1] + columns[:, None, :]).flatten(2)  # (oh, ow, kh·kw)
        seen = _seen(x, members)
        y, which = seen.max(-1) if members.numel() else (seen.sum(-1), seen.sum(-1).long())
        return y, members.expand(*y.shape, -1).gather(-1, which[..., None]).squeeze(-1)


def _seen(x: Tensor, members: Tensor) -> Tensor:
    """(N, C, H, W), members (oh, ow, kh·kw) → (N, C, oh, ow, kh·kw). If all bins have one size, a view is faster to copy."""
    kernel = tuple(side // max(count, 1) for side, count in zip(x.shape[2:], members.shape, strict=False))
    if kernel[0] * members.shape[0] == x.shape[2] and kernel[1] * members.shape[1] == x.shape[3]:
        return windows(x, kernel, kernel, (1, 1)).permute(0, 1, 4, 5, 2, 3).flatten(4)  # type: ignore[arg-type]
    return x.flatten(2)[:, :, members]


def _members(size: int, count: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """The pixels of each bin (count, length), which of them only fill up a bin (count, length), and the lengths (count,).

    A bin that is shorter than the longest repeats its last pixel to fill up.
    """
    first, last = bins(size, count)
    reach = torch.arange(int((last - first).max()) if count else 0, device="cpu")
    members = torch.minimum(first[:, None] + reach, last[:, None] - 1)
    return members.to(device), (first[:, None] + reach >= last[:, None]).to(device), (last - first).to(device)


@overridable
def adaptive_avg_pool2d(input: Tensor, output_size: Size) -> Tensor:
    """(N, C, H, W) or (C, H, W) → (…, oh, ow), means over bins; None keeps a side."""
    y = AdaptiveMean.apply(upcast(input), _wanted(input, output_size)).to(input.dtype)
    return y.contiguous(memory_format=layout(input))


@overridable
def adaptive_max_pool2d(input: Tensor, output_size: Size, return_indices: bool = False) -> Tensor | tuple[Tensor, Tensor]:
    """(N, C, H, W) or (C, H, W) → (…, oh, ow), maxima over bins, and with `return_indices` their places i · W + j."""
    out = _wanted(input, output_size)
    y, places = AdaptiveMax.apply(input if input.ndim == 4 else input[None], out)
    if input.ndim == 3:
        y, places = y[0], places[0]
    return (y, places) if return_indices else y


def _wanted(x: Tensor, size: Size) -> tuple[int, int]:
    if x.ndim not in (3, 4) or 0 in x.shape[-2:]:
        raise RuntimeError(f"Expected 3D or 4D tensor with no empty side but the batch's, but got {list(x.shape)}")
    both = (size, size) if size is None or isinstance(size, int) else tuple(size)
    if len(both) != 2:
        raise RuntimeError(f"adaptive pooling: output_size must be one number or two, got {size}")
    rows, columns = (side if wanted is None else wanted for wanted, side in zip(both, x.shape[-2:], strict=True))
    if min(rows, columns) < 0:
        raise RuntimeError(f"adaptive pooling: elements of output_size must be at least 0, got {size}")
    return rows, columns
