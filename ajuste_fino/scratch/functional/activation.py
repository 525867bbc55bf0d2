"""Activations, easiest first: y = f(a) forward, ∂L/∂a = f′(a) ⊙ ∂L/∂y backward.

Source: Goodfellow, Bengio and Courville, *Deep Learning*, 2016, sections 6.2.2 and 6.3.
"""

import warnings
from typing import Any

import torch
from torch import Tensor

from ajuste_fino.scratch.functional.function import Function, autocast, overridable, upcast

INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}  # by their bytes


class Gate(Function):
    """y = g where the gate is open, else 0. A product would give NaN for an infinite g.

    The gate masks bits with all ones or all zeros. For a mask in no order `torch.where` takes longer, because the
    processor mispredicts its branches.
    """

    @staticmethod
    def forward(g: Tensor, opened: Tensor) -> Tensor:
        bits = INTEGERS[g.dtype.itemsize]
        return g.view(bits).bitwise_and(opened.to(bits).neg_()).view(g.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])

    # linear in g, and its own gradient
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple:
        return Gate.apply(g, ctx.saved_tensors[0]), None


class ReLU(Function):
    """y = max(0, a)."""

    @staticmethod
    def forward(a: Tensor, inplace: bool) -> Tensor:
        return a.clamp_(min=0) if inplace else a.clamp(min=0)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        if inputs[1]:
            ctx.mark_dirty(inputs[0])
        ctx.save_for_backward(output)

    # f′(a) = 1 where a > 0, which is where y is not 0, else 0
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple:
        (y,) = ctx.saved_tensors
        return Gate.apply(g, y.bool()), None


class LeakyReLU(Function):
    """y = max(0, a) + slope · min(0, a)."""

    @staticmethod
    def forward(a: Tensor, slope: float, inplace: bool) -> Tensor:
        y = a.clamp(min=0).add_(a.clamp(max=0), alpha=slope)
        return a.copy_(y) if inplace else y

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        a, ctx.slope, inplace = inputs
        if inplace:
            ctx.mark_dirty(a)
        ctx.save_for_backward(output if inplace else a)

    # f′(a) = 1 where a > 0, else slope; after an in-place forward y tells, for y has the sign of a
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple:
        (a,) = ctx.saved_tensors
        up = a > 0
        return Gate.apply(g, up) + ctx.slope * Gate.apply(g, ~up), None, None


class Sigmoid(Function):
    """y = 1 / (1 + e^−a)."""

    @staticmethod
    def forward(a: Tensor) -> Tensor:
        return (1 / (1 + (-upcast(a)).exp())).to(a.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        ctx.save_for_backward(output)

    # f′(a) = y (1 − y)
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return g * (y * (1 - y)).conj()


class Tanh(Function):
    """y = (e^a − e^−a) / (e^a + e^−a), computed as −t / (t + 2) · sign a with t = e^(−2|a|) − 1, which never overflows."""

    @staticmethod
    def forward(a: Tensor) -> Tensor:
        t = (-2 * upcast(a).abs()).expm1()
        return torch.copysign(t / (t + 2), a).to(a.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        ctx.save_for_backward(output)

    # f′(a) = 1 − y²
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return g * (1 - y * y)


class Softmax(Function):
    """y_i = e^a_i / Σ_j e^a_j along a dimension. Subtracting the largest a first prevents overflow and leaves y unchanged."""

    @staticmethod
    def forward(a: Tensor, dim: int) -> Tensor:
        e = (upcast(a) - largest(a, dim)).exp_()
        return e.div_(e.sum(dim, keepdim=True)).to(a.dtype).contiguous()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        ctx.dim = inputs[1]
        ctx.save_for_backward(output)

    # ∂y_i/∂a_j = y_i (1[i=j] − y_j), hence ∂L/∂a = y ⊙ (g − Σ_i g_i y_i)
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple:
        (y,) = ctx.saved_tensors
        return y * (g - (g * y).sum(ctx.dim, keepdim=True)), None


def largest(a: Tensor, dim: int) -> Tensor:
    """The maximum along `dim`, in float32 at least. Empty tensors have none; for them it is 0."""
    return upcast(a).amax(dim, keepdim=True) if a.numel() else upcast(a).sum(dim, keepdim=True)


class LogSoftmax(Function):
    """y_i = a_i − log Σ_j e^a_j along a dimension."""

    @staticmethod
    def forward(a: Tensor, dim: int) -> Tensor:
        shifted = upcast(a) - largest(a, dim)
        return shifted.sub_(shifted.exp().sum(dim, keepdim=True).log_()).to(a.dtype).contiguous()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        ctx.dim = inputs[1]
        ctx.save_for_backward(output)

    # ∂y_i/∂a_j = 1[i=j] − softmax(a)_j, hence ∂L/∂a = g − softmax(a) Σ_i g_i
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple:
        (y,) = ctx.saved_tensors
        return torch.addcmul(g, y.exp(), g.sum(ctx.dim, keepdim=True), value=-1), None


@overridable
def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(0, input), any shape."""
    if input.dtype is torch.bool:
        raise NotImplementedError("Boolean inputs not supported for relu: convert the tensor to numbers, e.g. input.float()")
    return ReLU.apply(input, inplace)


@overridable
def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """`input` where it is positive, `negative_slope · input` elsewhere, any shape."""
    if inplace and negative_slope < 0 and input.requires_grad:
        raise RuntimeError("in-place leaky_relu with a negative slope has no gradient: its sign no longer tells the input's")
    return LeakyReLU.apply(input, negative_slope, inplace)


@overridable
def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + e^−input), any shape."""
    return Sigmoid.apply(number(input))


@overridable
def tanh(input: Tensor) -> Tensor:
    """Hyperbolic tangent, any shape."""
    if input.is_complex():
        raise NotImplementedError("tanh is for real numbers here; for complex ones use torch.tanh")
    return Tanh.apply(number(input))


def number(x: Tensor) -> Tensor:
    """Convert integers and booleans to floating point."""
    return x if x.is_floating_point() or x.is_complex() else x.to(torch.get_default_dtype())


@overridable
def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None) -> Tensor:
    """Exponentials that sum to 1 along `dim`. Without `dim` the choice is torch's, and comes with a warning."""
    return Softmax.apply(floating(input, dtype), _dimension("softmax", input, dim, _stacklevel))


@overridable
def log_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None) -> Tensor:
    """The logarithm of `softmax`. It does not compute `softmax` first, so nothing underflows."""
    return LogSoftmax.apply(floating(input, dtype), _dimension("log_softmax", input, dim, _stacklevel))


def floating(x: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Convert to the type that softmax computes in: `dtype` if given, float32 under autocast on a GPU."""
    x = x if dtype is None else x.to(dtype)
    if not x.is_floating_point():
        raise NotImplementedError(f"softmax is for floating-point numbers, got {x.dtype}: convert, or pass dtype=torch.float32")
    return upcast(x) if x.is_cuda and autocast("cuda") and dtype is None else x


def _dimension(name: str, x: Tensor, dim: int | None, stacklevel: int) -> int:
    if dim is not None:
        return dim
    message = f"Implicit dimension choice for {name} is deprecated; pass dim=X."
    warnings.warn(message, stacklevel=stacklevel + 1)
    return 0 if x.ndim in (0, 1, 3) else 1
