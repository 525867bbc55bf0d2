"""Deep fully connected networks, and the initial weights they were and are begun with."""

from itertools import pairwise
from typing import Any

import torch

from ajuste_fino.scratch import nn

ACTIVATIONS: dict[str, Any] = {"ReLU": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}
HISTORICAL, TODAY = STARTS = "historical", "today's"


def deep_net(activation: str, start: str, depth: int, width: int, seed: int) -> torch.nn.Sequential:
    """`depth` layers of `width` units from 64 pixels to 10 classes; biases begin at 0."""
    torch.manual_seed(seed)
    sizes, layers = [64, *[width] * (depth - 1), 10], list[torch.nn.Module]()
    for inputs, outputs in pairwise(sizes):
        linear = nn.Linear(inputs, outputs)
        _draw_weights(torch.as_tensor(linear.weight), activation, start)
        torch.nn.init.zeros_(torch.as_tensor(linear.bias))
        layers += [linear, ACTIVATIONS[activation]()]
    return torch.nn.Sequential(*layers[:-1])


def _draw_weights(weight: torch.Tensor, activation: str, start: str) -> None:
    """Uniform in [−1/√n, 1/√n] for n inputs, which was the custom until 2010; or the variance that was since derived for each.

    Sources: Glorot and Bengio, AISTATS 2010, for tanh, equation 1 being the custom that it replaced; Bengio, "Practical
    Recommendations for Gradient-Based Training of Deep Architectures", 2012, for sigmoid, whose slope at 0 is a quarter of
    tanh's, so that its weights are four times as large; He, Zhang, Ren and Sun, ICCV 2015, for ReLU.
    """
    if start == HISTORICAL:
        torch.nn.init.uniform_(weight, -(weight.shape[1] ** -0.5), weight.shape[1] ** -0.5)
    elif activation == "ReLU":
        torch.nn.init.kaiming_normal_(weight, nonlinearity="relu")
    else:
        torch.nn.init.xavier_normal_(weight, gain=4 if activation == "sigmoid" else 1)
