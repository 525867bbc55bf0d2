"""Max pooling: the largest element of each window, over places or over channels.

Source: Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 9.3 and figures 9.8 and 9.9.
"""

from typing import Any

import torch
from torch import Tensor

from ajuste_fino.scratch.functional.function import Function, layout, overridable
from ajuste_fino.scratch.functional.geometry import Pair, taps
from ajuste_fino.scratch.functional.padding import surround
from ajuste_fino.scratch.functional.pools import Pool, check_pool, lowest


class Maximum(Function):
    """Its forward picks one element of x (N, C, H, W) for each of y (N, C, oh, ow) and returns its place i · W + j."""

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor]) -> None:
        ctx.shape, places = inputs[0].shape, output[1]
        ctx.mark_non_differentiable(places)
        ctx.save_for_backward(places)

    # ∂y/∂x is 1 at the maximum and 0 elsewhere: the gradient goes back to where the maximum was
    @staticmethod
    def backward(ctx: Any, g: Tensor, _: Any) -> tuple:
        (places,) = ctx.saved_tensors
        return put(g, places, ctx.shape), *[None] * (len(ctx.needs_input_grad) - 1)


class MaxPool(Maximum):
    """x (N, C, H, W) padded → y (N, C, oh, ow), and the place i · W + j of the first maximum of each window.

    `begin` (oh, ow) is the distance from each window's first element to its first element on the image.
    """

    @staticmethod
    def forward(x: Tensor, begin: Tensor, pool: Pool, out: Pair) -> tuple[Tensor, Tensor]:
        rows, columns = (torch.arange(n, device=x.device) * step for n, step in zip(out, pool.stride, strict=True))
        corner = rows[:, None] * x.shape[3] + columns  # (oh, ow), the place of each window's first element
        y = offset = None
        for i, j, side in taps(pool.kernel, pool.stride, pool.dilation, out):
            seen = x[(..., *side)]
            if y is None or offset is None:
                y = seen.clone(memory_format=layout(x))
                offset = torch.zeros_like(y, dtype=torch.int32).add_(begin)
                continue
            # taps come in the order of places: where this one is larger, its offset is the largest so far
            further = (seen > y).to(torch.int32).mul_(i * pool.dilation[0] * x.shape[3] + j * pool.dilation[1])
            y, offset = torch.maximum(y, seen), torch.maximum(offset, further)
        assert y is not None
        assert offset is not None
        return y, corner + offset


def put(g: Tensor, places: Tensor, shape: torch.Size) -> Tensor:
    """(N, C, H, W) of zeros, with each g (N, C, oh, ow) added at its place i · W + j."""
    flat = g.new_zeros(*shape[:2], shape[2] * shape[3])
    pairs = (*places.shape[:2], places.shape[2] * places.shape[3])
    return flat.scatter_add(2, places.reshape(pairs), g.reshape(pairs)).reshape(shape)


@overridable
def max_pool2d(
    input: Tensor,
    kernel_size: int | Pair,
    stride: int | Pair | None = None,
    padding: int | Pair = 0,
    dilation: int | Pair = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """(N, C, H, W) or (C, H, W) → (…, oh, ow), and with `return_indices` the positions i · W + j of the maxima.

    Padding counts as −∞. A window with a NaN gives NaN.

    Raises:
        RuntimeError: as torch.nn.functional.max_pool2d, for shapes and numbers that do not fit.
    """
    pool = Pool.of(kernel_size, stride, padding, dilation, ceil_mode)
    check_pool(input, pool)
    batch = input if input.ndim == 4 else input[None]
    size = batch.shape[2:]
    padded = surround(batch, pool.margins(size), value=lowest(batch.dtype))
    begin = pool.begin(size, padded.shape[3], batch.device)
    y, places = MaxPool.apply(padded, begin, pool, pool.out(size))
    y = y if input.ndim == 4 else y[0]
    return (y, unpadded(places, padded.shape[3], pool, size).reshape(y.shape)) if return_indices else y


def unpadded(places: Tensor, width: int, pool: Pool, size: torch.Size) -> Tensor:
    """Places on a padded image of `width` → on the image."""
    return (places // width - pool.padding[0]) * size[1] + (places % width - pool.padding[1])


@overridable
def channel_max_pool(input: Tensor, kernel_size: int, stride: int | None = None) -> Tensor:
    """(N, C, H, W) or (C, H, W) → (…, c, H, W), the maximum over windows of channels: pooling across detectors.

    If the filters are rotated copies of each other, the result does not change with a rotation (figure 9.9).
    """
    batch = input if input.ndim == 4 else input[None]
    plane = batch.flatten(2)[:, None]  # (N, 1, C, H·W): channels become rows
    y = max_pool2d(plane, (kernel_size, 1), (stride or kernel_size, 1))
    y = y.reshape(len(batch), -1, *batch.shape[2:])
    return y if input.ndim == 4 else y[0]
