"""What every function here rests on: torch's hook for a gradient written by hand, and the types its layers compute in."""

from typing import Any

import torch
from torch import Tensor


class Function(torch.autograd.Function):
    """A forward and a backward, side by side.

    Every backward below is made of differentiable operations on what was saved, inputs and outputs only: autograd can
    therefore differentiate it again, and torch.func can map it over a batch.
    """

    generate_vmap_rule = True


def pair(value: Any) -> tuple[int, int]:
    """`3` → (3, 3); `(3, 5)` and `[3, 5]` → (3, 5); `(3,)` → (3, 3)."""
    if isinstance(value, int):
        return value, value
    values = tuple(value)
    return (values[0], values[0]) if len(values) == 1 else values


def products(*tensors: Tensor | None) -> list[Any]:
    """Under autocast, the operands of a matrix product in the type that it asks for; otherwise as they are."""
    first = next(x for x in tensors if x is not None)
    kind = first.device.type
    if not torch.is_autocast_enabled(kind) or first.is_complex():
        return list(tensors)
    return [None if x is None else x.to(torch.get_autocast_dtype(kind)) for x in tensors]


def wide(x: Tensor) -> Tensor:
    """Half precision as float32: exponentials and their sums are computed in it, and rounded once at the end."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
