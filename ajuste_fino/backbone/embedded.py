"""The network whose pretrained weights ship with the package: a stem and four residual blocks, about a million weights."""

import torch
from torch import Tensor, nn

CHANNELS = (32, 64, 128, 208)


def _convolution(inputs: int, outputs: int, stride: int, kernel: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
    )


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions and a shortcut: (N, C, H, W) → (N, C', H/stride, W/stride).

    Source: He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, figure 2.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _convolution(inputs, outputs, stride)
        self.conv2 = _convolution(outputs, outputs, 1)
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else _convolution(inputs, outputs, stride, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.conv2(torch.relu(self.conv1(x))) + self.shortcut(x))


class EmbeddedNet(nn.Module):
    """(N, 3, 64, 64) in [0, 1], normalised → (N, num_classes). Any input of at least 16 px works.

    `features` holds the stem (half the input's side), then blocks of `CHANNELS` channels, each after the first
    halving the side again; `classifier` reads the global mean of the last block.
    """

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        self.features = nn.Sequential()
        self.features.add_module("stem", nn.Sequential(*_convolution(3, CHANNELS[0], 2), nn.ReLU()))
        inputs = CHANNELS[0]
        for n, outputs in enumerate(CHANNELS, start=1):
            self.features.add_module(f"block{n}", ResidualBlock(inputs, outputs, stride=1 if n == 1 else 2))
            inputs = outputs
        self.classifier = nn.Linear(inputs, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).mean(dim=(2, 3)))
