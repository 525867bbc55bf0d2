"""From an image to the numbers a network reads: the one resize, the augmentation, the normalisation."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

from ajuste_fino.data.config import DataConfig
from ajuste_fino.data.variations import erased, trivial_augment, uniform
from ajuste_fino.errors import Range
from ajuste_fino.trust import source_of

LONGEST = 3 / 4  # of the sides of a part, the shorter over the longer
TRIES = 10
VERSION = 2  # of Augmentation: raise it when the same seed would give other pixels
INTERPOLATION = {"bilinear": InterpolationMode.BILINEAR, "bicubic": InterpolationMode.BICUBIC}


@dataclass(frozen=True)
class Preprocessing:
    """What a set of weights expects to see.

    `resize` is the shorter side in px, from which the middle `size` × `size` is cut; with `squash` the whole image is
    resized to `size` × `size` instead, its shape be what it may, and with `pad` so that its longer side has `size` px, in the
    middle of a square of the mean colour. `mean` and `std` are per channel, on the scale 0 … 1. `depth` is how many bits are
    in use in images of 16 bits, where a user said so.
    """

    size: int
    resize: int
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    interpolation: str = "bilinear"
    squash: bool = False
    depth: int | None = None
    pad: bool = False

    @classmethod
    def of(cls, expected: Mapping[str, Any], data: DataConfig) -> "Preprocessing":
        """What weights expect to see, of images as the data says they are stored and made square."""
        return cls(**expected, depth=data.depth).fitted(data.resize)

    def fitted(self, resize: str | None) -> "Preprocessing":
        """The same with another rule for images that are not square, squash, crop or pad; None: as it is."""
        return self if resize is None else replace(self, squash=resize == "squash", pad=resize == "pad")

    def metadata(self) -> dict[str, Any]:
        """As plain values, by which features are cached and bundles read; what was never chosen is not among them."""
        return {name: value for name, value in asdict(self).items() if name not in ("depth", "pad") or value}

    @property
    def min_size(self) -> int:
        """Of an image's shorter side, how many px are worth decoding: twice what is kept, for the resize to average."""
        return 2 * (self.size if self.squash or self.pad else self.resize)

    def __call__(self, image: Image.Image) -> Tensor:
        """RGB image → (3, size, size) uint8."""
        pixels = F.pil_to_tensor(image)
        if self.squash:
            return self.resized(pixels, [self.size, self.size])
        if self.pad:
            return self._padded(pixels)
        short = min(pixels.shape[1:])
        pixels = F.center_crop(pixels, [min(side, 4 * short) for side in pixels.shape[1:]])  # a long strip would explode
        return F.center_crop(self.resized(pixels, [self.resize]), [self.size])

    def _padded(self, pixels: Tensor) -> Tensor:
        """Of a strip so long that its shorter side would vanish, one px is left of it."""
        longer = max(pixels.shape[1:])
        small = self.resized(pixels, [max(1, round(side * self.size / longer)) for side in pixels.shape[1:]])
        top, left = ((self.size - side) // 2 for side in small.shape[1:])
        square = torch.tensor([round(255 * value) for value in self.mean], dtype=torch.uint8)
        square = square[:, None, None].repeat(1, self.size, self.size)
        square[:, top : top + small.shape[1], left : left + small.shape[2]] = small
        return square

    def resized(self, pixels: Tensor, size: list[int]) -> Tensor:
        """The one resize: antialiased, on uint8."""
        return F.resize(pixels, size, interpolation=INTERPOLATION[self.interpolation], antialias=True)

    def normalise(self, pixels: Tensor) -> Tensor:
        """(N, 3, H, W) uint8, on any device → float32 as the network expects it, channels last."""
        mean, std = (torch.tensor(v, device=pixels.device)[:, None, None] * 255 for v in (self.mean, self.std))
        return pixels.contiguous(memory_format=torch.channels_last).float().sub_(mean).div_(std)


@runtime_checkable
class Augment(Protocol):
    """Whatever varies an image: the same image, size and seed give the same pixels.

    Its views are cached under its class, the code of its file and its attributes.
    """

    def min_size(self, size: int) -> int:
        """Of an image's shorter side, how many px are worth decoding."""
        ...

    def __call__(self, image: Image.Image, size: int, seed: int) -> Tensor:
        """RGB image → (3, size, size) uint8."""
        ...


def identity(augment: Augment) -> dict[str, object]:
    """All that decides the views of an image, as plain values."""
    if isinstance(augment, Augmentation):  # what was added to it later is named where it is in use
        added = {"trivial": augment.trivial, "erase": augment.erase}
        fields = {name: value for name, value in asdict(augment).items() if added.get(name, True)}
        return {**fields, "version": VERSION}
    cls = type(augment)
    return {
        "class": f"{cls.__module__}.{cls.__qualname__}",
        "code": source_of(cls),
        "state": repr(sorted(vars(augment).items())),
    }


@dataclass(frozen=True)
class Augmentation:
    """How an image may be varied without changing its class.

    A part of it is cut out, of another shape, and resized (Szegedy et al., "Going Deeper with Convolutions", CVPR 2015,
    section 6); it may be flipped; brightness, contrast and saturation are changed, in an order that is drawn. `scale` is the
    smallest part of the area that is kept, `flip` the probability of a left-right flip, `color` the strength of the changes,
    `trivial` whether `trivial_augment` follows, `erase` the probability that at last a rectangle is `erased`.
    """

    RANGES: ClassVar[dict[str, Range]] = {
        "data.augment.scale": Range(float, 0.01, 1),
        "data.augment.flip": Range(float, 0, 1),
        "data.augment.color": Range(float, 0, 1),
        "data.augment.erase": Range(float, 0, 1),
    }

    scale: float = 0.6
    flip: float = 0.5
    color: float = 0.2
    trivial: bool = False
    erase: float = 0.0

    def min_size(self, size: int) -> int:
        """Of an image's shorter side, how many px are worth decoding: the smallest cut keeps about twice `size`."""
        return round(2 * size / (LONGEST * self.scale) ** 0.5)

    def __call__(self, image: Image.Image, size: int, seed: int) -> Tensor:
        """RGB image → (3, size, size) uint8; the same seed gives the same pixels."""
        generator = torch.Generator().manual_seed(seed)
        pixels = F.pil_to_tensor(image)
        pixels = F.resized_crop(pixels, *self._crop(pixels.shape[1], pixels.shape[2], generator), [size, size], antialias=True)
        if uniform(0, 1, generator) < self.flip:
            pixels = F.horizontal_flip(pixels)
        changes = [F.adjust_brightness, F.adjust_contrast, F.adjust_saturation]
        for n in torch.randperm(len(changes), generator=generator).tolist():
            pixels = changes[n](pixels, uniform(1 - self.color, 1 + self.color, generator))
        if self.trivial:
            pixels = trivial_augment(pixels, generator)
        if self.erase and uniform(0, 1, generator) < self.erase:
            pixels = erased(pixels, generator)
        return pixels

    def _crop(self, height: int, width: int, generator: torch.Generator) -> tuple[int, int, int, int]:
        """Top, left, height and width of a part: of an area and a ratio of its sides that are drawn until it fits."""
        for _ in range(TRIES):
            area = height * width * uniform(self.scale, 1, generator)
            ratio = math.exp(uniform(math.log(LONGEST), -math.log(LONGEST), generator))
            h, w = round((area / ratio) ** 0.5), round((area * ratio) ** 0.5)
            if 0 < h <= height and 0 < w <= width:
                top, left = (int(uniform(0, 1, generator) * (room + 1)) for room in (height - h, width - w))
                return top, left, h, w
        side = min(height, width)  # of a long strip, the middle
        return (height - side) // 2, (width - side) // 2, side, side
