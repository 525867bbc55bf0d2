"""Arithmetic that lets a formula be written once: for one tensor, for a list, and for numbers that are tensors."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Number = float | Tensor


class TensorList:
    """Tensors of one device and type that a formula treats as one: `v.mul_(2)` doubles each.

    Every method is torch's operation of that name for lists, such as `torch._foreach_mul_`. On a GPU it is one launch.
    """

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self.tensors = list(tensors)

    def __getattr__(self, name: str) -> Callable[..., "TensorList"]:
        operation = getattr(torch, f"_foreach_{name}")

        def call(*others: Any, **options: Any) -> TensorList:
            lists = [other.tensors if isinstance(other, TensorList) else other for other in others]
            done = operation(self.tensors, *lists, **options)
            return self if name.endswith("_") else TensorList(done)

        return call

    def __mul__(self, other: Any) -> "TensorList":
        return self.mul(other)


Tensors = Any  # a Tensor or a TensorList


def add(y: Tensors, x: Tensors, a: Number) -> Tensors:
    """y ← y + a x."""
    return y.add_(x * a) if isinstance(a, Tensor) else y.add_(x, alpha=a)


def accumulate(v: Tensors, alpha: float, g: Tensors, share: Number) -> Tensors:
    """v ← α v + share g. Where the share is 1, a single tensor takes one pass over memory instead of two."""
    if isinstance(v, TensorList) or isinstance(share, Tensor) or share != 1 or torch.is_grad_enabled() or g.is_sparse:
        return add(v.mul_(alpha), g, share)
    return torch.add(g, v, alpha=alpha, out=v)


def add_ratio(y: Tensors, x: Tensors, d: Tensors, a: Number) -> Tensors:
    """y ← y + a x / d."""
    return y.addcdiv_(x * a, d) if isinstance(a, Tensor) else y.addcdiv_(x, d, value=a)


def plus(x: Tensors, a: float) -> Tensors:
    """x + a for an x that nobody else reads. It is computed in place unless autograd records it."""
    return x.add(a) if torch.is_grad_enabled() else x.add_(a)


def over(x: Tensors, a: Number) -> Tensors:
    """x / a for an x that nobody else reads."""
    return x.div(a) if torch.is_grad_enabled() else x.div_(a)


def grow(y: Tensors, x: Tensors) -> Tensors:
    """y ← max(y, x), element by element."""
    if isinstance(y, TensorList):
        return y.maximum_(x)
    return y.copy_(torch.maximum(y.clone(), x)) if torch.is_grad_enabled() else torch.maximum(y, x, out=y)
