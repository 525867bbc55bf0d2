"""What all functions share: torch's hook for a gradient written by hand, and the types that they compute in."""

import operator
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function

F = TypeVar("F", bound=Callable[..., Any])


class Function(torch.autograd.Function):
    """A forward and a backward, side by side.

    Every backward is made of differentiable operations, and only inputs and outputs are saved for it. Autograd can
    therefore differentiate it again, and torch.func can map it over a batch. No layer returns a view, so that its result
    may be changed in place.
    """

    generate_vmap_rule = True


def overridable(function: F) -> F:
    """Let subclasses of Tensor and the tracers of torch.fx intercept a function, as they do torch's."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        given = (*args, *kwargs.values())
        if has_torch_function(given):
            return handle_torch_function(call, given, *args, **kwargs)
        return function(*args, **kwargs)

    return call  # type: ignore[return-value]


def pair(value: Any) -> tuple[int, int]:
    """`3` → (3, 3), NumPy's numbers too; `(3, 5)` and `[3, 5]` → (3, 5); `(3,)` → (3, 3)."""
    if hasattr(value, "__index__"):
        return (operator.index(value),) * 2
    values = tuple(value)
    return (values[0], values[0]) if len(values) == 1 else values


def autocast_operands(*tensors: Tensor | None) -> list[Any]:
    """Convert the operands of a matrix product to autocast's type where it is on; float64 stays."""
    kind = next(x.device.type for x in tensors if x is not None)
    if not autocast(kind):
        return list(tensors)
    wanted, kept = torch.get_autocast_dtype(kind), torch.float64
    lowers = [x is not None and x.is_floating_point() and x.dtype != kept for x in tensors]
    return [x.to(wanted) if x is not None and lower else x for x, lower in zip(tensors, lowers, strict=True)]


def autocast(kind: str) -> bool:
    """Whether autocast is on for a kind of device. On a device without autocast it is off."""
    return torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)


def upcast(x: Tensor) -> Tensor:
    """Half precision as float32. Exponentials and sums are computed in it and rounded once, at the end."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def layout(x: Tensor) -> torch.memory_format:
    """The memory format of a result: channels last if the images (N, C, H, W) are, else contiguous."""
    if x.ndim == 4 and not x.is_contiguous():
        _, channels, height, width = x.shape
        if x.stride() == (channels * height * width, 1, channels * width, channels):
            return torch.channels_last
    return torch.contiguous_format


def materialize(x: Tensor, shape: Any) -> Tensor:
    """Copy the elements of x to a new tensor of `shape`, which is not a view."""
    y = x.new_empty(tuple(shape))
    y.view(x.shape).copy_(x)
    return y
