"""Where a window lies on an image: sizes, strided views, and the slices that its elements, the taps, read."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from torch import Tensor

Pair = tuple[int, int]
Side = tuple[slice, slice]


class Geometry(NamedTuple):
    """How the windows of a convolution lie on a padded image."""

    stride: Pair
    dilation: Pair
    groups: int


def output_size(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool = False) -> int:
    """How many windows fit on a side. With `ceil_mode` the last may extend beyond it if it starts on the image or before it."""
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    count = (-(-room // stride) if ceil_mode else room // stride) + 1
    return count - 1 if ceil_mode and (count - 1) * stride >= size + padding else count


def windows(x: Tensor, kernel: Sequence[int], stride: Pair, dilation: Pair) -> Tensor:
    """(N, C, H, W) → (N, C, kh, kw, oh, ow), a view: element [n, c, i, j] is the image that tap (i, j) sees."""
    out = [output_size(x.shape[2 + d], kernel[d], stride[d], 0, dilation[d]) for d in (0, 1)]
    steps = [x.stride(2 + d) * dilation[d] for d in (0, 1)] + [x.stride(2 + d) * stride[d] for d in (0, 1)]
    return x.as_strided((*x.shape[:2], *kernel, *out), (x.stride(0), x.stride(1), *steps))


def taps(kernel: Sequence[int], stride: Pair, dilation: Pair, out: Sequence[int]) -> Iterator[tuple[int, int, Side]]:
    """For each element (i, j) of the kernel, row by row, the slices of the image that it reads over all windows."""

    def side(d: int, k: int) -> slice:
        first = k * dilation[d]
        return slice(first, first + (out[d] - 1) * stride[d] + 1, stride[d])

    for i in range(kernel[0]):
        for j in range(kernel[1]):
            yield i, j, (side(0, i), side(1, j))
