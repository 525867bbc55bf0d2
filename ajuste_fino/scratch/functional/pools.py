"""The windows of a pooling layer: their size and place, the padding that they need, and checks of the arguments."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from ajuste_fino.scratch.functional.function import pair
from ajuste_fino.scratch.functional.geometry import Pair, output_size


@dataclass(frozen=True)
class Pool:
    """How the windows of a pooling layer lie on an image."""

    kernel: Pair
    stride: Pair
    padding: Pair
    dilation: Pair
    ceil_mode: bool

    @classmethod
    def of(cls, kernel: int | Pair, stride: int | Pair | None, padding: int | Pair, dilation: int | Pair, ceil: bool) -> Self:
        """Torch's arguments: a stride of None, or an empty one, is the kernel's size."""
        steps = kernel if stride is None or (isinstance(stride, tuple | list) and not stride) else stride
        return cls(pair(kernel), pair(steps), pair(padding), pair(dilation), ceil)

    def out(self, size: torch.Size) -> Pair:
        """How many windows there are, (oh, ow)."""
        rows, columns = (
            output_size(size[d], self.kernel[d], self.stride[d], self.padding[d], self.dilation[d], self.ceil_mode)
            for d in (0, 1)
        )
        return rows, columns

    def margins(self, size: torch.Size) -> list[int]:
        """What to add around the image, (left, right, top, bottom): the padding, and room for the last window."""
        sides: list[int] = []
        for d, count in reversed(list(enumerate(self.out(size)))):
            end = (count - 1) * self.stride[d] + self.dilation[d] * (self.kernel[d] - 1) + 1 - self.padding[d]
            sides += [self.padding[d], max(0, end - size[d])]
        return sides

    def begin(self, size: torch.Size, width: int, device: torch.device) -> Tensor:
        """(oh, ow), the distance from a window's first element to its first one on the image, in places on rows of `width`."""
        firsts = []
        for d, count in enumerate(self.out(size)):
            before = (self.padding[d] - torch.arange(count, device=device) * self.stride[d]).clamp_(min=0)
            firsts.append((before + self.dilation[d] - 1) // self.dilation[d] * self.dilation[d])
        return (firsts[0][:, None] * width + firsts[1]).int()


def lowest(dtype: torch.dtype) -> float:
    """The smallest value of a type: −∞ for floating point."""
    return float("-inf") if dtype.is_floating_point else torch.iinfo(dtype).min


def check_pool(x: Tensor, pool: Pool) -> None:
    """Refuse what torch refuses: other shapes, padding beyond half a window, no room for one window.

    Raises:
        RuntimeError: with the rule and the value.
    """
    if x.ndim not in (3, 4) or 0 in x.shape[-3:]:
        raise RuntimeError(f"non-empty 3D or 4D (batch mode) tensor expected for input, got {list(x.shape)}")
    if min(pool.kernel) <= 0:
        raise RuntimeError(f"kernel size should be greater than zero, but got {pool.kernel}")
    if min(pool.stride) <= 0:
        raise RuntimeError(f"stride should be greater than zero, but got {pool.stride}")
    if min(pool.dilation) <= 0:
        raise RuntimeError(f"dilation should be greater than zero, but got {pool.dilation}")
    if min(pool.padding) < 0:
        raise RuntimeError(f"pad must be non-negative, but got {pool.padding}")
    reach = tuple(d * (k - 1) + 1 for k, d in zip(pool.kernel, pool.dilation, strict=True))
    if any(2 * p > r for p, r in zip(pool.padding, reach, strict=True)):
        raise RuntimeError(f"pad should be at most half of effective kernel size, but got pad={pool.padding}, kernel={reach}")
    if min(pool.out(x.shape[-2:])) < 1:
        raise RuntimeError(f"Given input size {list(x.shape)} and windows of {reach}, the output size is too small")
