"""The ways to train on few images: from random weights, a new head on a frozen backbone, and fine-tuned after that."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

import torch
from torch import Tensor, nn

from ajuste_fino.backbone import Backbone, build
from ajuste_fino.data.transforms import Preprocessing
from ajuste_fino.head import Head, HeadShape, bounded
from ajuste_fino.lecture.data import Split
from ajuste_fino.lecture.training import accuracy, falling_rate, train
from ajuste_fino.scratch.optim import Adam

BATCH = 32
AT_ONCE = 64  # images of a pass that trains nothing
RATE = 1e-3  # of random weights, and of a head
TUNING_RATE = 1e-4  # of trained ones, which should stay near where they are


@dataclass(frozen=True)
class Budget:
    """How long each way trains, `scratch`, `head` and `tuned`: minibatches of 32 images, and passes over all of them."""

    steps: Mapping[str, int]
    passes: Mapping[str, int]

    def epochs(self, way: str, images: int) -> int:
        """As many whole epochs as come closest to the minibatches, and no fewer than the passes."""
        return max(self.passes[way], round(self.steps[way] / ceil(images / BATCH)))


class NormalisedBackbone(nn.Module):
    """(N, 3, H, W) of uint8 → features: a backbone that normalises its images, the layout being channels last.

    Args:
        keep_statistics: its BatchNorm stays as the pretraining left it while the rest learns: few images give poor statistics.
    """

    def __init__(self, backbone: Backbone, keep_statistics: bool) -> None:
        super().__init__()
        self.backbone: Any = backbone.to(memory_format=torch.channels_last)
        self.normalise, self.keep_statistics = Preprocessing(**backbone.preprocessing).normalise, keep_statistics

    def train(self, mode: bool = True) -> "NormalisedBackbone":
        super().train(mode)
        for layer in self.modules() if self.keep_statistics else ():
            if isinstance(layer, nn.BatchNorm2d):
                layer.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        return self.backbone(self.normalise(x))


def network(name: str, weights: str, side: int, seed: int) -> NormalisedBackbone:
    """An architecture for images of `side` px; weights: `pretrained`, or `none` for those that the seed draws."""
    torch.manual_seed(seed)
    return NormalisedBackbone(build(name, weights, size=side)[0], weights != "none")


def train_from_scratch(name: str, data: Split, classes: int, side: int, budget: Budget, seed: int) -> tuple[nn.Module, float]:
    """Random weights and a head, trained together; the network, and its loss over the last epoch."""
    body = network(name, "none", side, seed)
    net = nn.Sequential(body, Head(HeadShape(body.backbone.num_features, classes, impl="scratch")))
    return net, _fit(net, data, budget.epochs("scratch", len(data.y)), RATE, seed)


def train_head(features: Split, classes: int, budget: Budget, seed: int) -> Head:
    """A new head on the features (N, D) of a frozen backbone, which `train` would begin in the same way."""
    torch.manual_seed(seed)
    head = Head(HeadShape(features.x.shape[1], classes, impl="scratch"))
    head.standardise.set(features.x.mean(0), bounded(features.x.std(0)))
    head.set_prior(features.y.bincount(minlength=classes).clamp(min=1) / len(features.y))
    _fit(head, features, budget.epochs("head", len(features.y)), RATE, seed)
    return head


def fine_tune(body: NormalisedBackbone, head: Head, data: Split, budget: Budget, seed: int) -> nn.Module:
    """A trained head and its backbone, trained on together."""
    net = nn.Sequential(body, head)
    _fit(net, data, budget.epochs("tuned", len(data.y)), TUNING_RATE, seed)
    return net


def _fit(net: nn.Module, data: Split, epochs: int, rate: float, seed: int) -> float:
    optimizer = Adam(net.parameters(), lr=rate)
    losses = train(net, optimizer, data.x, data.y, epochs, seed, BATCH, falling_rate(optimizer, epochs))
    last = losses[-max(len(losses) // epochs, 1) :]
    return sum(last) / len(last)


@torch.inference_mode()
def features(body: nn.Module, data: Split) -> Split:
    """The images' features (N, D), with their classes."""
    body.eval()
    return Split(torch.cat([body(images) for images in data.x.split(AT_ONCE)]).clone(), data.y)


def accuracy_of(net: nn.Module, test: Split) -> float:
    """The share of test images that a whole network gets right."""
    right = [accuracy(net, x, y) * len(y) for x, y in zip(test.x.split(AT_ONCE), test.y.split(AT_ONCE), strict=True)]
    return sum(right) / len(test.y)
