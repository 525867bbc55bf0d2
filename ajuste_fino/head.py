"""The new fully connected head: standardise → dropout → linear [→ relu → dropout → linear]."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ajuste_fino.errors import Range, UserError
from ajuste_fino.implementation import implementation

LEAST = 0.3  # of the features' root mean square deviation


def bounded(std: Tensor) -> Tensor:
    """(D,) → (D,): deviations to divide features by, none far below the others.

    Otherwise a channel that is silent for all but one training image is tens of deviations away for that one and hundreds
    for the next that it answers to, which the head then gets wrong with certainty (`scripts/bench_head.py`).
    """
    return std.clamp(min=LEAST * float(std.square().mean().sqrt()))


class Standardise(nn.Module):
    """(N, D) → (N, D) with zero mean and unit variance over the training set; the statistics are buffers.

    A feature that hardly varies keeps its scale (`std` 1), as in scikit-learn's StandardScaler, so that noise is not blown up.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(num_features))
        self.register_buffer("std", torch.ones(num_features))

    def set(self, mean: Tensor, std: Tensor) -> None:
        self.mean.copy_(mean)
        self.std.copy_(torch.where(std > 1e-6, std, torch.ones_like(std)))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std


@dataclass(frozen=True)
class HeadShape:
    """What a head is made of. The rates are probabilities of dropping a unit, as torch's; the lecture's are of keeping it."""

    RANGES: ClassVar[dict[str, Range]] = {
        "head.dropout": Range(float, 0, 0.999),
        "head.hidden": Range(int, 0, 10**6),
        "head.hidden_dropout": Range(float, 0, 0.999),
    }

    num_features: int
    num_classes: int
    dropout: float = 0.5
    hidden: int = 0
    hidden_dropout: float = 0.5
    impl: str = "torch"  # whose layers: torch's or those from scratch; what they compute is the same

    def __post_init__(self) -> None:
        for name, rate in (("head.dropout", self.dropout), ("head.hidden_dropout", self.hidden_dropout)):
            if not 0 <= rate < 1:
                raise UserError(name, "must be at least 0 and below 1", got=rate, fix=f"Pass {name}=0.5.")
        if self.hidden < 0:
            raise UserError("head.hidden", "must be 0 or more units", got=self.hidden, fix="Pass head.hidden=0 for none.")
        implementation(self.impl, "nn", "head.impl")


class Head(nn.Module):
    """(N, num_features) → (N, num_classes) logits.

    Source: the lecture's recipe; Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 7.12 for dropout.
    """

    def __init__(self, shape: HeadShape) -> None:
        super().__init__()
        self.shape = shape
        self.standardise = Standardise(shape.num_features)
        width = shape.num_features
        layers_of = implementation(shape.impl, "nn", "head.impl")
        layers: list[nn.Module] = [layers_of.Dropout(shape.dropout)]
        if shape.hidden:
            layers += [layers_of.Linear(width, shape.hidden), layers_of.ReLU(), layers_of.Dropout(shape.hidden_dropout)]
            width = shape.hidden
        self.layers = nn.Sequential(*layers, layers_of.Linear(width, shape.num_classes))

    @torch.no_grad()
    def set_prior(self, shares: Tensor) -> None:
        """Begin with the classes as probable as they are frequent: the last layer's bias is the logarithm of `shares`, (C,).

        Otherwise the first epochs are spent on learning what could be counted. That holds where the loss weighs the classes
        as well: from zero, such heads were far less accurate when they stopped (`scripts/bench_imbalance.py`).
        A head without a hidden layer begins with weights of 0: random ones stay as noise in all directions in which the
        training images do not differ, and there are many where images are fewer than features (`scripts/bench_head.py`).
        Source: Lin, Goyal, Girshick, He and Dollár, "Focal Loss for Dense Object Detection", ICCV 2017, section 3.3.
        """
        last: Any = self.layers[-1]
        last.bias.copy_(shares.log())
        if not self.shape.hidden:
            last.weight.zero_()

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(self.standardise(x))


@torch.inference_mode()
def probabilities(head: nn.Module, batches: Iterable[Tensor], temperature: float = 1.0) -> Tensor:
    """Features (n, D), a batch at a time → (N, C) probabilities, softmax(logits / temperature).

    The most probable class of each row is the same at every temperature: where rounding makes others as probable, it gets the
    next larger number.
    """
    head.cpu().eval()
    return torch.cat([_scaled(head(features), temperature) for features in batches])


def _scaled(logits: Tensor, temperature: float) -> Tensor:
    plain = logits.softmax(1)
    if temperature == 1:
        return plain
    scaled, label = (logits / temperature).softmax(1), plain.argmax(1, keepdim=True)
    above = torch.nextafter(scaled.scatter(1, label, 0).amax(1, keepdim=True), torch.ones(()))  # all the others
    return scaled.scatter(1, label, torch.maximum(scaled.gather(1, label), above))
