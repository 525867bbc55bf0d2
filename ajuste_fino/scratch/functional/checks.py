"""Checks of a convolution's arguments. Errors have torch's types and say what is accepted."""

from collections.abc import Sequence

from torch import Tensor

from ajuste_fino.scratch.functional.function import pair
from ajuste_fino.scratch.functional.geometry import Geometry, Pair


def zeros(padding: str | int | Pair, kernel: Sequence[int], dilation: Sequence[int]) -> list[int]:
    """The zeros around an image, (left, right, top, bottom). For "same", an odd zero goes to the right or the bottom."""
    if padding == "same":
        totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return [side for total in reversed(totals) for side in (total // 2, total - total // 2)]
    top, left = (0, 0) if isinstance(padding, str) else pair(padding)
    return [left, left, top, top]


def check(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    geometry: Geometry,
    padding: str | int | Sequence[int],
    dimensions: int = 2,
) -> None:
    """Check shapes, types and numbers of a convolution before anything is computed."""
    name, batched = f"conv{dimensions}d", dimensions + 2
    if input.ndim not in (batched - 1, batched):
        got = list(input.shape)
        raise RuntimeError(f"Expected {batched - 1}D (unbatched) or {batched}D (batched) input to {name}, but got {got}")
    _numbers(geometry, padding)
    channels, taken = input.shape[-dimensions - 1], weight.shape[1] * geometry.groups
    if channels != taken:
        raise RuntimeError(
            f"Given groups={geometry.groups}, weight of size {list(weight.shape)}, expected input{list(input.shape)} "
            f"to have {taken} channels, but got {channels} channels instead"
        )
    if len(weight) % geometry.groups:
        raise RuntimeError(f"expected weight to be divisible by groups={geometry.groups} at dimension 0, got {len(weight)}")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise RuntimeError(f"expected bias to have {len(weight)} elements, one an output channel, but got {list(bias.shape)}")
    for what, other in (("weight", weight), ("bias", bias)):
        if other is not None and (other.dtype != input.dtype or other.device != input.device):
            mine, its = (f"{t.dtype} on {t.device}" for t in (input, other))
            raise RuntimeError(f"Input type ({mine}) and {what} type ({its}) should be the same")


def _numbers(geometry: Geometry, padding: str | int | Sequence[int]) -> None:
    if geometry.groups <= 0:
        raise RuntimeError(f"non-positive groups is not supported: {geometry.groups}")
    if min(geometry.stride) <= 0:
        raise RuntimeError(f"non-positive stride is not supported: {geometry.stride}")
    if min(geometry.dilation) <= 0:
        raise RuntimeError(f"dilation should be greater than zero: {geometry.dilation}")
    if not isinstance(padding, str) and min(pair(padding)) < 0:
        raise RuntimeError(f"negative padding is not supported: {padding}")
    if isinstance(padding, str) and padding not in ("same", "valid"):
        raise RuntimeError(f"Invalid padding string: {padding!r}; it is 'same', 'valid' or numbers")
    if padding == "same" and max(geometry.stride) > 1:
        raise RuntimeError(f"padding='same' is not supported for strided convolutions (stride {geometry.stride})")


def fits(padded: Tensor, weight: Tensor, geometry: Geometry) -> None:
    """Check that the kernel fits inside the padded image."""
    reach = [d * (k - 1) + 1 for k, d in zip(weight.shape[2:], geometry.dilation, strict=True)]
    height, width = padded.shape[2:]
    if reach[0] > height or reach[1] > width:
        raise RuntimeError(
            f"Calculated padded input size per channel: ({height} x {width}). Kernel size: ({reach[0]} x {reach[1]}). "
            "Kernel size can't be greater than actual input size"
        )
