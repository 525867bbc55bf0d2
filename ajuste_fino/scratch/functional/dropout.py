"""Dropout: in training each unit is kept with probability 1 − p, by a mask drawn anew each time.

Source: Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 7.12. There and in the lecture a rate is the
probability of keeping a unit; here, as in torch, `p` is that of dropping it.
"""

import warnings
from typing import Any

import torch
from torch import Tensor

from ajuste_fino.scratch.functional.function import Function, overridable


class Masked(Function):
    """y = x ⊙ μ."""

    @staticmethod
    def forward(x: Tensor, mask: Tensor, inplace: bool) -> Tensor:
        return x.mul_(mask) if inplace else x * mask

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        x, mask, inplace = inputs
        if inplace:
            ctx.mark_dirty(x)
        ctx.save_for_backward(mask)

    # a dropped unit gets no gradient, a kept one the mask's scale
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple:
        (mask,) = ctx.saved_tensors
        return g * mask, None, None


@overridable
def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """μ is 1 / (1 − p) with probability 1 − p, else 0. The expectation stays, so nothing is scaled at inference.

    Raises:
        ValueError: for p outside 0 … 1.
    """
    return _drop(input, input.shape, p, training, inplace)


@overridable
def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Dropout of whole channels, with one draw for each of (N, C). It warns, as torch, if the input is not (N, C, H, W)."""
    if input.ndim == 3:
        warnings.warn("dropout2d takes a 3D input as (N, C, L), not as one image; for that say dropout1d", stacklevel=2)
    elif input.ndim != 4:
        warnings.warn(f"dropout2d is for images (N, C, H, W), got {input.ndim}D; for units say dropout", stacklevel=2)
    return _drop(input, (*input.shape[:2], *[1] * (input.ndim - 2)), p, training, inplace)


@overridable
def weight_scaled_dropout(input: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """The lecture's dropout: x ⊙ μ with μ 0 or 1 in training; (1 − p) x at inference, the weight scaling rule."""
    if not training:
        _probability(p)
        return input * (1 - p)
    return _drop(input, input.shape, p, training, inplace=False, scaled=False)


def _drop(x: Tensor, shape: tuple[int, ...], p: float, training: bool, inplace: bool, scaled: bool = True) -> Tensor:
    _probability(p)
    p = float(p)
    if not training or p == 0 or x.numel() == 0:
        return x
    like = x if shape == x.shape else x.new_empty(shape)  # in the order of x in memory, as torch draws
    mask = torch.empty_like(like, dtype=x.dtype.to_real())
    mask = mask.bernoulli_(1 - p) if p < 1 else mask.zero_()
    return Masked.apply(x, mask.div_(1 - p) if scaled and p < 1 else mask, inplace)


def _probability(p: float) -> None:
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
