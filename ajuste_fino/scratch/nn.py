"""Layers as modules, easiest first. Each is torch's class with our forward, and through it our backward.

Constructor, defaults, initial weights, names in `state_dict`, printing and `isinstance` are therefore torch's by
construction. All that they compute is in `scratch.functional`. The last three are the lecture's and have no counterpart
in torch.
"""

from typing import Any

import torch
from torch import Tensor, nn

from ajuste_fino.scratch import functional as F
from ajuste_fino.scratch.functional.checks import zeros
from ajuste_fino.scratch.functional.function import pair


class ReLU(nn.ReLU):
    def forward(self, input: Tensor) -> Tensor:
        return F.relu(input, self.inplace)


class LeakyReLU(nn.LeakyReLU):
    def forward(self, input: Tensor) -> Tensor:
        return F.leaky_relu(input, self.negative_slope, self.inplace)


class Sigmoid(nn.Sigmoid):
    def forward(self, input: Tensor) -> Tensor:
        return F.sigmoid(input)


class Tanh(nn.Tanh):
    def forward(self, input: Tensor) -> Tensor:
        return F.tanh(input)


class Softmax(nn.Softmax):
    def forward(self, input: Tensor) -> Tensor:
        return F.softmax(input, self.dim, _stacklevel=5)


class Flatten(nn.Flatten):
    """A view, with no arithmetic in either direction."""

    def forward(self, input: Tensor) -> Tensor:
        return input.flatten(self.start_dim, self.end_dim)


class Linear(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias)


class Dropout(nn.Dropout):
    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout2d(nn.Dropout2d):
    def forward(self, input: Tensor) -> Tensor:
        return F.dropout2d(input, self.p, self.training, self.inplace)


class CrossEntropyLoss(nn.CrossEntropyLoss):
    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class MaxPool2d(nn.MaxPool2d):
    def forward(self, input: Tensor) -> Any:
        return F.max_pool2d(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        )


class AvgPool2d(nn.AvgPool2d):
    def forward(self, input: Tensor) -> Tensor:
        how = (self.ceil_mode, self.count_include_pad, self.divisor_override)
        return F.avg_pool2d(input, self.kernel_size, self.stride, self.padding, *how)


class LPPool2d(nn.LPPool2d):
    def forward(self, input: Tensor) -> Tensor:
        return F.lp_pool2d(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)


class AdaptiveAvgPool2d(nn.AdaptiveAvgPool2d):
    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(input, self.output_size)


class AdaptiveMaxPool2d(nn.AdaptiveMaxPool2d):
    def forward(self, input: Tensor) -> Any:
        return F.adaptive_max_pool2d(input, self.output_size, self.return_indices)


class Conv1d(nn.Conv1d):
    def forward(self, input: Tensor) -> Tensor:
        padded, padding = _padded(self, input)
        return F.conv1d(padded, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)  # type: ignore[arg-type]


class Conv2d(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:
        padded, padding = _padded(self, input)
        return F.conv2d(padded, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)  # type: ignore[arg-type]


def _padded(layer: nn.Conv1d | nn.Conv2d, x: Tensor) -> tuple[Tensor, Any]:
    """The image, padded if the mode is not zeros, and the padding that is left to the convolution."""
    if layer.padding_mode == "zeros":
        return x, layer.padding
    sides = zeros(_images(layer.padding), _images(layer.kernel_size), _images(layer.dilation))
    return F.pad(x, sides[: 2 * len(layer.kernel_size)], layer.padding_mode), 0


def _images(value: Any) -> Any:
    """A value for one dimension → for two, where the first has no effect."""
    if isinstance(value, str) or len(value) == 2:
        return value
    return (1, *value)


class ChannelMaxPool(nn.Module):
    """(…, C, H, W) → (…, c, H, W), the maximum over `kernel_size` channels, `stride` (default: as many) apart.

    Source: Goodfellow, Bengio and Courville, *Deep Learning*, 2016, figure 9.9, learned invariance.
    """

    def __init__(self, kernel_size: int, stride: int | None = None) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, stride or kernel_size

    def forward(self, input: Tensor) -> Tensor:
        return F.channel_max_pool(input, self.kernel_size, self.stride)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}"


class WeightedAvgPool2d(nn.Module):
    """(…, H, W) → (…, oh, ow), means weighted by a mask over the window.

    Args:
        weight: the mask (kh, kw). With None it is learned: it starts equal, and is positive because it is an exponential.

    Source: Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 9.3.
    """

    weight: Tensor

    def __init__(
        self,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] | None = None,
        padding: int | tuple[int, int] = 0,
        weight: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size, self.padding = pair(kernel_size), pair(padding)
        self.stride, self.learned = pair(self.kernel_size if stride is None else stride), weight is None
        if weight is None:
            self.weight = nn.Parameter(torch.zeros(self.kernel_size))
        elif weight.shape != self.kernel_size:
            raise ValueError(f"weight must be a mask of kernel_size {self.kernel_size}, got {list(weight.shape)}")
        elif not weight.sum() > 0:
            raise ValueError(f"the sum of weight must be above 0 to divide by it, got {weight.sum()}")
        else:
            self.register_buffer("weight", weight)

    def forward(self, input: Tensor) -> Tensor:
        mask = self.weight.exp() if self.learned else self.weight
        return F.weighted_avg_pool2d(input, mask, self.stride, self.padding)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, learned={self.learned}"


class WeightScaledDropout(nn.Dropout):
    """The lecture's dropout: units are dropped in training, their weights scaled by 1 − p at inference.

    `nn.Dropout` divides by 1 − p in training instead; in expectation the two are equal.
    Source: Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 7.12, the weight scaling inference rule.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.weight_scaled_dropout(input, self.p, self.training)
