"""The fully connected layer: y = x Wᵀ + b."""

import math
from typing import Any

from torch import Tensor

from ajuste_fino.scratch.functional.function import Function, autocast_operands, overridable


class Linear(Function):
    """y = x Wᵀ + b, with x (n, in), W (out, in), b (out) or None.

    Source: the lecture's a_n = W_n z_{n−1}, a row of x for each z; Goodfellow et al., 2016, algorithm 6.4.
    """

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return x @ weight.t() if bias is None else bias.addmm(x, weight.t())

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        x, weight, bias = inputs
        ctx.biased = bias is not None
        need = ctx.needs_input_grad  # a frozen layer keeps nothing that only its weights would ask for
        ctx.save_for_backward(x if need[1] else None, weight if need[0] else None)

    # ∂L/∂x = g W, ∂L/∂W = gᵀ x (a sum of outer products δ zᵀ over the rows), ∂L/∂b = Σ_rows g
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple:
        x, weight = ctx.saved_tensors
        need = ctx.needs_input_grad
        return (
            g @ weight.conj() if need[0] else None,
            g.t() @ x.conj() if need[1] else None,
            g.sum(0) if ctx.biased and need[2] else None,
        )


@overridable
def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """(…, in) → (…, out). A weight of one row (in,) gives (…)."""
    input, weight, bias = autocast_operands(input, weight, bias)
    if weight.ndim == 1:
        return linear(input, weight[None], None if bias is None else bias.reshape(1)).squeeze(-1)
    if bias is not None and bias.ndim != 1:
        return linear(input, weight) + bias
    rows = input.reshape(math.prod(input.shape[:-1]), input.shape[-1])
    if rows.shape[1] != weight.shape[1]:
        sizes = f"({rows.shape[0]}x{rows.shape[1]} and {weight.shape[1]}x{weight.shape[0]})"
        raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied {sizes}: the last side must be {weight.shape[1]}")
    y = Linear.apply(rows, weight, bias)
    return y if input.ndim == 2 else y.reshape(*input.shape[:-1], len(weight))
