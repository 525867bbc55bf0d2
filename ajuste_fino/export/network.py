"""All of a trained model behind decoding, as one network: resize, normalisation, backbone, head, temperature, softmax."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx

from ajuste_fino.backbone import Backbone
from ajuste_fino.backbone.blocks import probe
from ajuste_fino.bundle import Bundle
from ajuste_fino.data.transforms import Preprocessing
from ajuste_fino.ensemble import Ensemble
from ajuste_fino.export.resize import REACH, Axis, Weights, along, weights
from ajuste_fino.head import Head

STRIP = 4  # times the shorter side: what is cropped keeps no more of the longer one


class Resize(nn.Module):
    """(N, H, W, 3) uint8 → (N, 3, size, size) float32, whole numbers from 0 to 255: to the bit what `Preprocessing` gives."""

    def __init__(self, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.preprocessing = preprocessing

    def forward(self, images: Tensor) -> Tensor:
        count, height, width, size = *images.shape[:3], self.preprocessing.size
        across, down = (self._weights(*sides) for sides in ((width, height), (height, width)))
        columns = images.permute(0, 2, 3, 1).reshape(count, width, 3 * height)  # one axis moved, which is cheap
        narrow = along(columns.float(), across).reshape(count, size, 3, height)
        pixels = along(narrow.permute(0, 3, 1, 2).reshape(count, height, 3 * size), down).reshape(count, size, size, 3)
        pixels = pixels.permute(0, 3, 1, 2)
        if not self.preprocessing.pad:
            return pixels
        border = torch.tensor([float(round(255 * value)) for value in self.preprocessing.mean])[:, None, None]
        return torch.where(down.inside[:, None] & across.inside, pixels, border)

    def _weights(self, side: int, other: int) -> Weights:
        how = self.preprocessing
        most = STRIP * how.resize if not (how.squash or how.pad) else how.size
        axis = self._axis(*(torch.scalar_tensor(length, dtype=torch.int64) for length in (side, other)))
        return weights(axis, how.size, most, self._taps(side, other), how.interpolation)

    def _taps(self, side: int, other: int) -> Any:
        """No fewer neighbours than a px has: twice the reach of the filter times how many times smaller the side becomes."""
        how, reach = self.preprocessing, REACH[self.preprocessing.interpolation]
        most: Any
        if how.squash:
            most = 2 * reach * side // how.size
        elif how.pad:  # a side is rounded to whole px, at worst from almost 1.5 to 1
            most = 3 * reach * torch.sym_max(side, other) // how.size
        else:  # the longer side is rounded down to whole px
            most = 2 * reach * torch.sym_min(side, other) // max(how.resize - 1, 1)
        return torch.sym_max(most, 2 * reach) + 1

    def _axis(self, side: Tensor, other: Tensor) -> Axis:
        how, zero, size = self.preprocessing, torch.zeros((), dtype=torch.int64), self.preprocessing.size
        if how.squash:
            return Axis(zero, side, torch.full((), size), zero)
        if how.pad:
            longer = torch.maximum(side, other)
            resized = (side * size / longer.double()).round().clamp(min=1).long()
            return Axis(zero, side, resized, -((size - resized) // 2))
        short = torch.minimum(side, other)
        length = torch.minimum(side, STRIP * short)
        resized = how.resize * length // short
        return Axis(_middle(side, length), length, resized, _middle(resized, torch.full((), size)))


def _middle(side: Tensor, part: Tensor) -> Tensor:
    """Where the middle part of a side begins."""
    return ((side - part).double() / 2).round().long()


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

        self.operations = make_fx(whole, tracing_mode="symbolic", pre_dispatch=True)(tensors, probe(size).repeat(2, 1, 1, 1))

    def _tensors(self) -> dict[str, Tensor]:
        return {f"net.{name}": tensor for name, tensor in (*self.net.named_parameters(), *self.net.named_buffers())}

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.operations(self._tensors(), x.contiguous())
        return features


class Deployed(nn.Module):
    """Images (N, H, W, 3) uint8, decoded, upright, RGB → probabilities (N, C), in float32."""

    mean: Tensor
    std: Tensor

    def __init__(self, parts: Bundle) -> None:
        super().__init__()
        self.resize, self.head = Resize(parts.preprocessing), _head(parts.head)
        self.backbone = Straight(parts.backbone, parts.preprocessing.size)
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


def _head(head: Head | Ensemble) -> nn.Module:
    """The same of torch's layers, which every format knows."""
    if isinstance(head, Ensemble) or head.shape.impl == "torch":
        return head
    same = Head(replace(head.shape, impl="torch"))
    same.load_state_dict(head.state_dict())
    return same.eval()
