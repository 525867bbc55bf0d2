"""Backpropagation as the lecture tells it: unit by unit, then by matrices; no autograd.

Source: Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 6.5 and algorithms 6.3 and 6.4; Bishop, *Pattern
Recognition and Machine Learning*, 2006, section 5.3, whose letters a, z and δ the lecture uses.

Layer n has a_n = W_n z_{n−1} + b_n and z_n = f(a_n), z_0 being the input. W_n[j, i] is the weight from unit i to unit j,
w_ij in the slides: the matrix of the lecture is the transpose of its table of weights.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor


class Activation(NamedTuple):
    """f and its slope f′, both of a."""

    f: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]


def _sigmoid(a: Tensor) -> Tensor:
    return 1 / (1 + (-a).exp())


def _tanh(a: Tensor) -> Tensor:
    return 2 * _sigmoid(2 * a) - 1


IDENTITY = Activation(lambda a: a, torch.ones_like)
RELU = Activation(lambda a: a.clamp(min=0), lambda a: (a > 0).to(a.dtype))
SIGMOID = Activation(_sigmoid, lambda a: _sigmoid(a) * (1 - _sigmoid(a)))
TANH = Activation(_tanh, lambda a: 1 - _tanh(a) ** 2)


@dataclass
class Layer:
    """W (out, in), b (out), f; μ (in, N) is dropout's mask on what comes in, None where all units stay."""

    weight: Tensor
    bias: Tensor
    activation: Activation = IDENTITY
    mask: Tensor | None = None


@dataclass
class Trace:
    """What a pass computes: a_n, z_n (with z_0) and δ_n, each (units, N). The backward pass reads it, and figures draw it."""

    z: list[Tensor]
    a: list[Tensor] = field(default_factory=list)
    delta: list[Tensor] = field(default_factory=list)


class Gradient(NamedTuple):
    """∂L/∂W and ∂L/∂b of a layer."""

    weight: Tensor
    bias: Tensor


# Unit by unit, one example: sums over numbers, as on the slides


def forward_units(layers: Sequence[Layer], x: Sequence[float]) -> Trace:
    """a_j = Σ_i w_ij z_i + b_j, z_j = f(a_j), for each unit j of each layer; x has one number for each input."""
    trace = Trace([torch.tensor(x, dtype=layers[0].weight.dtype)])
    for layer in layers:
        z = trace.z[-1]
        a = [sum(layer.weight[j, i] * z[i] for i in range(len(z))) + layer.bias[j] for j in range(len(layer.bias))]
        trace.a.append(torch.stack(a))
        trace.z.append(torch.stack([layer.activation.f(a_j) for a_j in a]))
    return trace


def backward_units(layers: Sequence[Layer], trace: Trace, slope: Sequence[float]) -> list[Gradient]:
    """Output units δ_o = f′(a_o) ∂L/∂z_o, then δ_j = f′(a_j) Σ_k w_jk δ_k, then ∂L/∂w_ij = δ_j z_i and ∂L/∂b_j = δ_j.

    Args:
        slope: ∂L/∂z_o of each output unit.
    """
    above = list(slope)  # ∂L/∂z_j of the layer at hand
    for n in reversed(range(len(layers))):
        a = trace.a[n]
        delta = [layers[n].activation.slope(a[j]) * above[j] for j in range(len(a))]
        trace.delta.insert(0, torch.stack(delta))
        inputs = range(len(trace.z[n]))
        above = [sum(layers[n].weight[j, i] * delta[j] for j in range(len(delta))) for i in inputs]  # type: ignore[misc]
    return [Gradient(torch.stack([d * trace.z[n] for d in delta]), delta) for n, delta in enumerate(trace.delta)]


# The same by matrices, all examples at once, one a column


def forward(layers: Sequence[Layer], x: Tensor) -> Trace:
    """a_n = W_n z_{n−1} + b_n, z_n = f(a_n); x is (inputs, N). A mask multiplies z_{n−1} where dropout is."""
    trace = Trace([x])
    for layer in layers:
        if layer.mask is not None:
            trace.z[-1] = trace.z[-1] * layer.mask
        trace.a.append(layer.weight @ trace.z[-1] + layer.bias[:, None])
        trace.z.append(layer.activation.f(trace.a[-1]))
    return trace


def backward(layers: Sequence[Layer], trace: Trace, slope: Tensor) -> list[Gradient]:
    """δ_n = f′(a_n) ⊙ W_{n+1}ᵀ δ_{n+1}, from the output's f′(a) ⊙ ∂L/∂z down; ∂L/∂W_n = δ_n z_{n−1}ᵀ, ∂L/∂b_n = δ_n 1.

    The slide prints z_n ⊙ δ_{n+1} for the gradient; its dimensions ask for the outer product, summed over the examples.

    Args:
        slope: ∂L/∂z of the last layer, (outputs, N).
    """
    trace.delta = []
    for n in reversed(range(len(layers))):
        trace.delta.insert(0, layers[n].activation.slope(trace.a[n]) * slope)
        slope = input_slope(layers[n], trace.delta[0])
    return [Gradient(delta @ trace.z[n].mT, delta.sum(1)) for n, delta in enumerate(trace.delta)]


def input_slope(layer: Layer, delta: Tensor) -> Tensor:
    """∂L/∂z of a layer's inputs: Wᵀ δ, and 0 for a unit that dropout left out."""
    slope = layer.weight.mT @ delta
    return slope if layer.mask is None else slope * layer.mask


def update(layers: Sequence[Layer], gradients: Sequence[Gradient], rate: float) -> None:
    """W ← W − ε ∂L/∂W and b ← b − ε ∂L/∂b, in place (algorithm 8.1)."""
    for layer, gradient in zip(layers, gradients, strict=True):
        layer.weight -= rate * gradient.weight
        layer.bias -= rate * gradient.bias


# What is minimised: the value, and its slope ∂L/∂z at the outputs (outputs, N)


def squared_error(z: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """L = ½ Σ (z − t)², averaged over the examples."""
    error = z - target
    return error.square().sum() / (2 * z.shape[1]), error / z.shape[1]


def cross_entropy(z: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """L = −log softmax(z)_t, averaged over the examples; ∂L/∂z = (p − t) / N. `classes` (N,) are numbers of units."""
    shifted = z - z.amax(0)
    log_p = shifted - shifted.exp().sum(0).log()
    examples = torch.arange(z.shape[1], device=z.device)
    slope = log_p.exp()
    slope[classes, examples] -= 1
    return -log_p[classes, examples].mean(), slope / z.shape[1]
