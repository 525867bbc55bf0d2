"""Pooling to a given size from any size: bin i of n on a side of s pixels reaches from ⌊i s / n⌋ to ⌈(i + 1) s / n⌉."""

from typing import Any

import torch
from torch import Tensor

from ajuste_fino.scratch.functional.function import Function
from ajuste_fino.scratch.functional.geometry import windows
from ajuste_fino.scratch.functional.maximum import put

Size = int | None | tuple[int | None, int | None]


def bins(size: int, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The first pixel of each bin and the one after its last, (count,) each."""
    number = torch.arange(count, device=device)
    return number * size // count, ((number + 1) * size + count - 1) // count


class AdaptiveMean(Function):
    """y = A x Bᵀ: row i of A (oh, H) has 1 / length over bin i and 0 elsewhere, and B (ow, W) likewise."""

    @staticmethod
    def forward(x: Tensor, out: tuple[int, int]) -> Tensor:
        a, b = (_means(size, count, x) for size, count in zip(x.shape[-2:], out, strict=True))
        return a @ x @ b.mT

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        x, ctx.out = inputs
        ctx.sizes = x.shape[-2:]

    # ∂L/∂x = Aᵀ g B
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple:
        a, b = (_means(size, count, g) for size, count in zip(ctx.sizes, ctx.out, strict=True))
        return a.mT @ g @ b, None


def _means(size: int, count: int, like: Tensor) -> Tensor:
    first, last = bins(size, count, like.device)
    pixel = torch.arange(size, device=like.device)
    inside = (pixel >= first[:, None]) & (pixel < last[:, None])  # (count, size)
    return inside.to(like.dtype) / (last - first)[:, None]


class AdaptiveMax(Function):
    """The largest of each bin, and its place i · W + j in the image."""

    @staticmethod
    def forward(x: Tensor, out: tuple[int, int]) -> tuple[Tensor, Tensor]:
        rows, columns = (_members(size, count, x.device) for size, count in zip(x.shape[-2:], out, strict=True))
        members = (rows[:, None, :, None] * x.shape[-1] + columns[:, None, :]).flatten(2)  # (oh, ow, kh·kw)
        y, which = _seen(x, members).max(-1)
        return y, members.expand(*y.shape, -1).gather(-1, which[..., None]).squeeze(-1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor]) -> None:
        ctx.shape, places = inputs[0].shape, output[1]
        ctx.mark_non_differentiable(places)
        ctx.save_for_backward(places)

    # the gradient goes back to where the maximum was
    @staticmethod
    def backward(ctx: Any, g: Tensor, _: Any) -> tuple:
        (places,) = ctx.saved_tensors
        return put(g, places, ctx.shape), None


def _seen(x: Tensor, members: Tensor) -> Tensor:
    """(N, C, H, W), members (oh, ow, kh·kw) → (N, C, oh, ow, kh·kw); where bins are of one size a view is quicker to copy."""
    kernel = tuple(side // count for side, count in zip(x.shape[2:], members.shape, strict=False))
    if kernel[0] * members.shape[0] == x.shape[2] and kernel[1] * members.shape[1] == x.shape[3]:
        return windows(x, kernel, kernel, (1, 1)).permute(0, 1, 4, 5, 2, 3).flatten(4)  # type: ignore[arg-type]
    return x.flatten(2)[:, :, members]


def _members(size: int, count: int, device: torch.device) -> Tensor:
    """(count, length) pixels of each bin; a shorter bin names its last pixel twice, which changes no maximum."""
    first, last = bins(size, count, device)
    length = int((last - first).max()) if count else 0
    return torch.minimum(first[:, None] + torch.arange(length, device=device), last[:, None] - 1)


def adaptive_avg_pool2d(input: Tensor, output_size: Size) -> Tensor:
    """(N, C, H, W) or (C, H, W) → (…, oh, ow), means over bins; None keeps a side."""
    return AdaptiveMean.apply(input, _wanted(input, output_size))


def adaptive_max_pool2d(input: Tensor, output_size: Size, return_indices: bool = False) -> Tensor | tuple[Tensor, Tensor]:
    """(N, C, H, W) or (C, H, W) → (…, oh, ow), maxima over bins, and with `return_indices` their places i · W + j."""
    out = _wanted(input, output_size)
    y, places = AdaptiveMax.apply(input if input.ndim == 4 else input[None], out)
    if input.ndim == 3:
        y, places = y[0], places[0]
    return (y, places) if return_indices else y


def _wanted(x: Tensor, size: Size) -> tuple[int, int]:
    if x.ndim not in (3, 4) or 0 in x.shape[-3:]:
        raise RuntimeError(f"Expected 3D or 4D tensor with no empty side but the batch's, but got {list(x.shape)}")
    both = (size, size) if size is None or isinstance(size, int) else tuple(size)
    if len(both) != 2:
        raise RuntimeError(f"adaptive pooling: output_size must be one number or two, got {size}")
    rows, columns = (side if wanted is None else wanted for wanted, side in zip(both, x.shape[-2:], strict=True))
    if min(rows, columns) < 0:
        raise RuntimeError(f"adaptive pooling: elements of output_size must be at least 0, got {size}")
    return rows, columns
