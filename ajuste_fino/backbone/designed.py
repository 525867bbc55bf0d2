"""A CNN that is designed by the configuration and trained from random weights."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from torch import Tensor, nn

from ajuste_fino.errors import Range, UserError, nearest
from ajuste_fino.implementation import implementation

FILTERS = Range(int, 1, 2**16)  # of a layer
POOLINGS = ("max", "average", "norm", "none")


@dataclass(frozen=True)
class Design:
    """The choices of the lecture's model selection, without the fully connected part, which is the head.

    Args:
        layers: convolutions, each followed by ReLU and pooling.
        filters: of the first layer, twice as many in each later one; or a number for each layer.
        kernel: side of the filters in px, odd, so that they have a middle.
        stride: of the convolutions.
        pooling: max, average or norm (p = 2) over 2 × 2 windows, each halving the sides; or none.
        dropout: probability of dropping a map, after each pooling.
        grid: the last maps are averaged to grid × grid cells, whatever the image's size.
        impl: whose layers, torch's or those from scratch.
    """

    layers: int = 3
    filters: int | Sequence[int] = 16
    kernel: int = 3
    stride: int = 1
    pooling: str = "max"
    dropout: float = 0.0
    grid: int = 4
    impl: str = "scratch"
    widths: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        whole = {"layers": 20, "kernel": 31, "stride": 8, "grid": 32}
        for name, most in whole.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
                raise UserError(f"backbone.{name}", f"must be a whole number from 1 to {most}", got=value, fix="Change it.")
        if self.kernel % 2 == 0:
            raise UserError("backbone.kernel", "must be odd", got=self.kernel, fix="Pass 3 or 5.")
        if self.pooling not in POOLINGS:
            fix = nearest(str(self.pooling), list(POOLINGS))
            raise UserError("backbone.pooling", f"must be one of {', '.join(POOLINGS)}", got=self.pooling, fix=fix)
        if not isinstance(self.dropout, int | float) or not 0 <= self.dropout < 1:
            raise UserError("backbone.dropout", "must be at least 0 and below 1", got=self.dropout, fix="Pass 0.1.")
        object.__setattr__(self, "widths", self._widths())

    def _widths(self) -> tuple[int, ...]:
        given = self.filters
        widths: tuple[Any, ...] = (
            tuple(given * 2**n for n in range(self.layers))
            if given in FILTERS
            else tuple(given)
            if isinstance(given, list | tuple)
            else ()
        )
        if len(widths) != self.layers or not all(w in FILTERS for w in widths):
            fix = "Pass one number, or a list of as many as backbone.layers."
            raise UserError("backbone.filters", "must be numbers of filters, one for each layer", got=self.filters, fix=fix)
        return widths

    def metadata(self) -> dict[str, Any]:
        """The arguments as plain values: `Design(**design.metadata())` is the same."""
        names = ("layers", "kernel", "stride", "pooling", "dropout", "grid", "impl")
        return {"filters": list(self.widths), **{name: getattr(self, name) for name in names}}


class DesignedNet(nn.Module):
    """(N, 3, H, W) → (N, filters · grid²): blocks of convolution, ReLU, pooling and dropout, then the grid, flattened."""

    def __init__(self, design: Design) -> None:
        super().__init__()
        self.design, layers = design, implementation(design.impl, "nn", "backbone.impl")
        self.features = nn.Sequential()
        inputs = 3
        for n, outputs in enumerate(design.widths, start=1):
            self.features.add_module(f"block{n}", _block(layers, design, inputs, outputs))
            inputs = outputs
        self.grid = nn.Sequential(layers.AdaptiveAvgPool2d(design.grid), layers.Flatten())
        self.classifier = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.grid(self.features(x)))


def _block(layers: ModuleType, design: Design, inputs: int, outputs: int) -> nn.Sequential:
    parts = [layers.Conv2d(inputs, outputs, design.kernel, design.stride, padding=design.kernel // 2), layers.ReLU()]
    if design.pooling == "norm":
        parts.append(layers.LPPool2d(2, 2))
    elif design.pooling != "none":
        parts.append((layers.MaxPool2d if design.pooling == "max" else layers.AvgPool2d)(2))
    return nn.Sequential(*parts, layers.Dropout2d(design.dropout))
