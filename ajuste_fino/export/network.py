"""All of a trained model behind decoding, as one network: resize, normalisation, backbone, head, temperature, softmax."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx

from ajuste_fino.backbone import Backbone, rebuild
from ajuste_fino.backbone.blocks import probe
from ajuste_fino.bundle import Bundle
from ajuste_fino.data.transforms import Preprocessing
from ajuste_fino.ensemble import Ensemble
from ajuste_fino.export.resize import REACH, Sides, along, weights
from ajuste_fino.head import Head

STRIP = 4  # times the shorter side: what is cropped keeps no more of the longer one


class Resize(nn.Module):
    """(N, H, W, 3) uint8 → (N, 3, size, size) float32, whole numbers from 0 to 255: to the bit what `Preprocessing` gives."""

    def __init__(self, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.preprocessing = preprocessing

    def forward(self, images: Tensor) -> Tensor:
        how, (count, height, width), size = self.preprocessing, images.shape[:3], self.preprocessing.size
        sides = torch.stack([torch.scalar_tensor(side, dtype=torch.int64) for side in (width, height)])
        rows = size if how.squash or how.pad else STRIP * how.resize
        by = weights(self._sides(sides), size, rows, self._taps(height, width), how.interpolation)
        columns = images.permute(0, 2, 3, 1).reshape(count, width, 3 * height)  # one axis moved, which is cheap
        narrow = along(columns.float(), by, 0).reshape(count, size, 3, height)
        pixels = along(narrow.permute(0, 3, 1, 2).reshape(count, height, 3 * size), by, 1).reshape(count, size, size, 3)
        pixels = pixels.permute(0, 3, 1, 2)
        if not how.pad:
            return pixels
        border = torch.tensor([float(round(255 * value)) for value in how.mean])[:, None, None]
        return torch.where(by.inside[1, :, None] & by.inside[0], pixels, border)

    def _taps(self, height: int, width: int) -> Any:
        """No fewer neighbours than a px has: twice the reach of the filter times how many times smaller a side becomes."""
        how, reach = self.preprocessing, REACH[self.preprocessing.interpolation]
        most: Any
        if how.squash:
            most = 2 * reach * torch.sym_max(height, width) // how.size
        elif how.pad:  # a side is rounded to whole px, at worst from almost 1.5 to 1
            most = 3 * reach * torch.sym_max(height, width) // how.size
        else:  # the longer side is rounded down to whole px
            most = 2 * reach * torch.sym_min(height, width) // max(how.resize - 1, 1)
        return torch.sym_max(most, 2 * reach) + 1

    def _sides(self, sides: Tensor) -> Sides:
        how, zeros, size = self.preprocessing, torch.zeros_like(sides), self.preprocessing.size
        if how.squash:
            return Sides(zeros, sides, zeros + size, zeros)
        if how.pad:
            resized = (sides * size / sides.amax(0, keepdim=True).double()).round().clamp(min=1).long()
            return Sides(zeros, sides, resized, -torch.div(size - resized, 2, rounding_mode="trunc"))
        short = sides.amin(0, keepdim=True)
        length = torch.minimum(sides, STRIP * short)
        resized = torch.div(how.resize * length, short, rounding_mode="trunc")
        return Sides(_middle(sides - length), length, resized, _middle(resized - size))


def _middle(rest: Tensor) -> Tensor:
    """Where the middle part of a side begins, which is so much shorter."""
    return (rest.double() / 2).round().long()


class Straight(nn.Module):
    """(N, 3, size, size), normalised → (N, D): the operations of a backbone, and its tensors by their names.

    A backbone leaves the middle of its network by an exception, through which `torch.export` would lose its way.
    """

    def __init__(self, backbone: Backbone, size: int) -> None:
        super().__init__()
        self.net = backbone.net
        tensors = self._tensors()

        def whole(tensors: dict[str, Tensor], x: Tensor) -> Tensor:
            return functional_call(backbone, tensors, (x,))

        with _not_in_place(self.net):
            self.operations = make_fx(whole, tracing_mode="symbolic", pre_dispatch=True)(
                tensors, probe(size).repeat(2, 1, 1, 1)
            )

    def _tensors(self) -> dict[str, Tensor]:
        return {f"net.{name}": tensor for name, tensor in (*self.net.named_parameters(), *self.net.named_buffers())}

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.operations(self._tensors(), x.contiguous())
        return features


@contextmanager
def _not_in_place(net: nn.Module) -> Iterator[None]:
    """Activations make new tensors, as they do in a graph: what writes in place takes torch minutes to rewrite."""
    changed: list[Any] = [part for part in net.modules() if getattr(part, "inplace", False) is True]
    for part in changed:
        part.inplace = False
    try:
        yield
    finally:
        for part in changed:
            part.inplace = True


class Deployed(nn.Module):
    """Images (N, H, W, 3) uint8, decoded, upright, RGB → probabilities (N, C), in float32."""

    mean: Tensor
    std: Tensor

    def __init__(self, parts: Bundle) -> None:
        super().__init__()
        self.resize, self.head = Resize(parts.preprocessing), _head(parts.head)
        self.backbone = Straight(_backbone(parts.backbone), parts.preprocessing.size)
        for name in ("mean", "std"):
            values = torch.tensor(getattr(parts.preprocessing, name))[:, None, None] * 255
            self.register_buffer(name, values, persistent=False)
        self.temperature = parts.temperature
        self.requires_grad_(False).eval()

    def forward(self, images: Tensor) -> Tensor:
        return self.classify(self.resize(images))

    def classify(self, pixels: Tensor) -> Tensor:
        """(N, 3, size, size) float32 from 0 to 255 → (N, C)."""
        normalised = (pixels - self.mean) / self.std
        return (self.head(self.backbone(normalised)) / self.temperature).softmax(1)


def _backbone(backbone: Backbone) -> Backbone:
    """The same of torch's layers, which every format knows."""
    design = backbone.spec.design or {}
    if design.get("impl", "torch") == "torch":
        return backbone
    spec = replace(backbone.spec, design={**design, "impl": "torch"})
    return rebuild(spec, backbone.preprocessing, backbone.net.state_dict())


def _head(head: Head | Ensemble) -> nn.Module:
    """The same of torch's layers."""
    if isinstance(head, Ensemble) or head.shape.impl == "torch":
        return head
    same = Head(replace(head.shape, impl="torch"))
    same.load_state_dict(head.state_dict())
    return same.eval()
