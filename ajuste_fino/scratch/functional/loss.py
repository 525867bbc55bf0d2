"""Cross-entropy: −Σ_c t_c log softmax(x)_c, for a class or a distribution t.

Source: Goodfellow, Bengio and Courville, *Deep Learning*, 2016, sections 6.2.1.1 and 6.2.2.3; label smoothing: 7.5.1.
"""

import warnings
from typing import Any

import torch
from torch import Tensor

from ajuste_fino.scratch.functional.activation import floating, log_softmax
from ajuste_fino.scratch.functional.function import Function, autocast, overridable, upcast


class OfClass(Function):
    """ℓ_n = −w_n log p[n, t_n], and log p = log softmax(x) itself; x (N, C, …), t, w and ignored (N, …)."""

    @staticmethod
    def forward(x: Tensor, target: Tensor, weight: Tensor, ignored: Tensor) -> tuple[Tensor, Tensor]:
        logp = log_softmax(x, 1)
        picked = -(logp.gather(1, target[:, None]).squeeze(1) * weight)
        return picked.masked_fill_(ignored, 0), logp

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor]) -> None:
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*inputs[1:], output[1])

    # ∂ℓ_n/∂x = w_n (p − t), what was predicted minus what was true, t being 1 at the class; and that of log p, h − p Σ h
    @staticmethod
    def backward(ctx: Any, g: Tensor | None, h: Tensor | None) -> tuple:
        target, weight, ignored, logp = ctx.saved_tensors
        p, dx = logp.exp(), []
        if g is not None:
            scale = (g * weight).masked_fill(ignored, 0)[:, None]  # the mean over nothing has an infinite slope
            dx.append((p * scale).scatter_add_(1, target[:, None], -scale))
        if h is not None:
            dx.append(torch.addcmul(h, p, h.sum(1, keepdim=True), value=-1))
        total = dx[0] + dx[1] if len(dx) == 2 else dx[0] if dx else torch.zeros_like(p)
        return total, None, None, None


class SoftCrossEntropy(Function):
    """ℓ_n = −Σ_c q[n, c] log p[n, c]; both (N, C, …)."""

    @staticmethod
    def forward(logp: Tensor, q: Tensor) -> Tensor:
        return -(q * logp).sum(1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    # −q by log p, −log p by q
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple:
        logp, q = ctx.saved_tensors
        need, g = ctx.needs_input_grad, g.unsqueeze(1)
        return -g * q if need[0] else None, -g * logp if need[1] else None


@overridable
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Logits (N, C, …) or (C) against classes (N, …) or (), or against probabilities of the logits' shape.

    Args:
        weight: (C), one for each class. It weights the mean for classes; for probabilities the mean is over N · ….
        ignore_index: the class number that is left out of the loss.
        reduction: mean, sum, or none for one loss per target.
        label_smoothing: the share of the truth that is spread evenly over the classes.

    Raises:
        RuntimeError, ValueError, IndexError: as torch.nn.functional.cross_entropy, for what does not fit.
    """
    if size_average is not None or reduce is not None:
        reduction = _legacy(size_average, reduce)
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction: none, mean or sum")
    if not 0 <= label_smoothing <= 1:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    single = input.ndim == 1
    rows, truth = (input[None], target[None]) if single else (input, target)
    if weight is not None and weight.shape != rows.shape[1:2]:
        classes = list(weight.shape)
        raise RuntimeError(
            f"weight tensor should be defined either for all {rows.shape[1]} classes or no classes, got {classes}"
        )
    share = label_smoothing / max(1, rows.shape[1])
    loss = _of_probabilities if rows.shape == truth.shape else _of_classes
    x = floating(upcast(rows) if autocast(rows.device.type) else rows)
    each, count = loss(x, truth, weight, label_smoothing, share, ignore_index)
    if reduction == "none":
        return each[0] if single else each
    return each.sum() / count if reduction == "mean" else each.sum()


Losses = tuple[Tensor, Tensor | int]  # each loss, and what their sum is divided by for the mean


def _of_classes(x: Tensor, target: Tensor, weight: Tensor | None, smoothing: float, share: float, ignore: int) -> Losses:
    _check_classes(x, target)
    ignored = target == ignore
    index = target.long().masked_fill(ignored, 0)
    try:
        each_weight = (~ignored).to(x.dtype) if weight is None else weight.to(x.dtype)[index] * ~ignored
        each, logp = OfClass.apply(x, index, each_weight, ignored)
    except (RuntimeError, IndexError) as error:  # on a GPU the kernel itself stops
        outside = index[(index < 0) | (index >= x.shape[1])]
        if len(outside) == 0:
            raise
        raise IndexError(f"Target {outside[0]} is out of bounds: there are {x.shape[1]} classes, from 0") from error
    if smoothing:
        even = logp.new_ones(logp.shape[1]) if weight is None else weight.to(logp.dtype)
        smooth = SoftCrossEntropy.apply(logp, _by_class(even, logp).expand(logp.shape))
        each = (1 - smoothing) * each + share * smooth.masked_fill(ignored, 0)
    return each, each_weight.sum()


def _of_probabilities(x: Tensor, target: Tensor, weight: Tensor | None, smoothing: float, share: float, ignore: int) -> Losses:
    if not target.is_floating_point():
        raise RuntimeError(f"Expected floating point type for target with class probabilities, got {target.dtype}")
    if ignore >= 0:
        raise RuntimeError("ignore_index is not supported for floating point target")
    q = target * (1 - smoothing) + share if smoothing else target
    each = SoftCrossEntropy.apply(log_softmax(x, 1), q if weight is None else q * _by_class(weight, q))
    return each, each.numel()


def _by_class(weight: Tensor, like: Tensor) -> Tensor:
    """(C,) → (1, C, 1, …)."""
    return weight.reshape(1, -1, *[1] * (like.ndim - 2))


def _check_classes(x: Tensor, target: Tensor) -> None:
    if target.ndim != x.ndim - 1:
        shapes = f"input {list(x.shape)}, target {list(target.shape)}"
        raise RuntimeError(
            f"target must be class indices, one dimension less than the input, or probabilities of its shape: {shapes}"
        )
    if len(target) != len(x):
        raise ValueError(f"Expected input batch_size ({len(x)}) to match target batch_size ({len(target)}).")
    if target.shape[1:] != x.shape[2:]:
        raise RuntimeError(f"size mismatch (got input: {list(x.shape)}, target: {list(target.shape)})")
    if target.dtype not in (torch.int64, torch.uint8):
        raise RuntimeError(f"expected scalar type Long but found {target.dtype}: class indices are int64 or uint8")


def _legacy(size_average: bool | None, reduce: bool | None) -> str:
    """Translate the deprecated arguments to `reduction`."""
    words = "none" if reduce is False else "sum" if size_average is False else "mean"
    warnings.warn(f"size_average and reduce are deprecated, please use reduction='{words}' instead.", stacklevel=3)
    return words
