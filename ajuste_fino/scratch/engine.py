"""The lecture's equations train a real head: `backprop` computes the gradients of its loss."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ajuste_fino.scratch.backprop import (
    IDENTITY,
    RELU,
    SIGMOID,
    TANH,
    Activation,
    Layer,
    backward,
    cross_entropy,
    forward,
    input_slope,
)
from ajuste_fino.scratch.functional import dropout

ACTIVATIONS: dict[type[nn.Module], Activation] = {nn.ReLU: RELU, nn.Sigmoid: SIGMOID, nn.Tanh: TANH}

ORDER = "backpropagation reads [Dropout] Linear with bias [ReLU, Sigmoid or Tanh], again and again"


class Backpropagation:
    """Layers, inputs (N, D) and classes (N,) → the mean cross-entropy; `.backward()` on it gives them their gradients.

    The layers are [dropout], fully connected, [activation], any number of times. Torch's autograd only passes on the
    gradients by weights, biases and inputs, which `backprop` has computed.
    """

    def __call__(self, layers: Sequence[nn.Module], x: Tensor, y: Tensor) -> Tensor:
        linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
        parameters = [tensor for layer in linear for tensor in (layer.weight, layer.bias)]
        return _Loss.apply(described(layers, x), x, y, *parameters)

    def difference(self, layers: Sequence[nn.Module], x: Tensor, y: Tensor) -> float:
        """The largest difference from autograd's gradients, with the same masks, divided by the largest gradient."""
        parameters = [tensor for layer in layers for tensor in layer.parameters()]
        gradients = []
        for loss in (self, _by_autograd):
            with torch.random.fork_rng([x.device] if x.is_cuda else []), torch.enable_grad():
                gradients.append(torch.autograd.grad(loss(layers, x.detach(), y), parameters))
        gap = max(float((mine - other).abs().max()) for mine, other in zip(*gradients, strict=True))
        return gap / (max(float(gradient.abs().max()) for gradient in gradients[1]) or 1.0)


def _by_autograd(layers: Sequence[nn.Module], x: Tensor, y: Tensor) -> Tensor:
    return nn.functional.cross_entropy(nn.Sequential(*layers)(x), y)


def described(modules: Sequence[nn.Module], x: Tensor) -> list[Layer]:
    """Modules as the layers of the equations. Masks are drawn here, as dropout draws them for inputs (N, D).

    Raises:
        TypeError: where they are not [Dropout] → Linear → [activation], again and again.
    """
    layers: list[Layer] = []
    mask, width = None, x.shape[1]
    for module in modules:
        if isinstance(module, nn.Dropout) and mask is None:
            ones = torch.ones(len(x), width, dtype=x.dtype, device=x.device)
            mask = dropout(ones, module.p, module.training).mT
        elif isinstance(module, nn.Linear) and module.bias is not None:
            layers.append(Layer(module.weight.detach(), module.bias.detach(), IDENTITY, mask))
            mask, width = None, module.out_features
        elif layers and mask is None and layers[-1].activation is IDENTITY:
            layers[-1].activation = _activation(module)
        else:
            raise TypeError(f"{ORDER}, got {module} after {len(layers)} of Linear")
    if mask is not None:
        raise TypeError(f"{ORDER}, got a Dropout at the end")
    return layers


def _activation(module: nn.Module) -> Activation:
    for kind, activation in ACTIVATIONS.items():
        if isinstance(module, kind):
            return activation
    raise TypeError(f"{ORDER}, got {module}")


class _Loss(torch.autograd.Function):
    """Forward: a_n and z_n. Backward: δ_n and the gradients."""

    @staticmethod
    def forward(ctx: Any, layers: list[Layer], x: Tensor, y: Tensor, *parameters: Tensor) -> Tensor:
        trace = forward(layers, x.mT)
        loss, slope = cross_entropy(trace.z[-1], y)
        ctx.layers, ctx.trace, ctx.slope = layers, trace, slope
        return loss

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple:
        gradients = backward(ctx.layers, ctx.trace, ctx.slope * g)
        x = input_slope(ctx.layers[0], ctx.trace.delta[0]).mT if ctx.needs_input_grad[1] else None
        return None, x, None, *[tensor for gradient in gradients for tensor in gradient]
