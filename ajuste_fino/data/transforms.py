"""From a picture to the numbers a network reads: the one resize, the augmentation, the normalisation."""

from dataclasses import asdict, dataclass
from threading import Lock
from typing import Protocol, runtime_checkable

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional as F

from ajuste_fino.trust import source_of

ONE_AT_A_TIME = Lock()
INTERPOLATION = {"bilinear": InterpolationMode.BILINEAR, "bicubic": InterpolationMode.BICUBIC}


@dataclass(frozen=True)
class Preprocessing:
    """What a set of weights expects to see.

    `resize` is the shorter side in px, from which the middle `size` × `size` is cut; with `squash` the whole picture is
    resized to `size` × `size` instead, its shape be what it may. `mean` and `std` are per channel, on the scale 0 … 1.
    """

    size: int
    resize: int
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    interpolation: str = "bilinear"
    squash: bool = False

    @property
    def least(self) -> int:
        """Of a picture's shorter side, how many px are worth decoding: twice what is kept, for the resize to average."""
        return 2 * (self.size if self.squash else self.resize)

    def __call__(self, image: Image.Image) -> Tensor:
        """RGB picture → (3, size, size) uint8."""
        pixels = F.pil_to_tensor(image)
        if self.squash:
            return self.resized(pixels, [self.size, self.size])
        short = min(pixels.shape[1:])
        pixels = F.center_crop(pixels, [min(side, 4 * short) for side in pixels.shape[1:]])  # a long strip would explode
        return F.center_crop(self.resized(pixels, [self.resize]), [self.size])

    def resized(self, pixels: Tensor, size: list[int]) -> Tensor:
        """The one resize: antialiased, on uint8."""
        return F.resize(pixels, size, interpolation=INTERPOLATION[self.interpolation], antialias=True)

    def normalise(self, pixels: Tensor) -> Tensor:
        """(N, 3, H, W) uint8, on any device → float32 as the network expects it, channels last."""
        mean, std = (torch.tensor(v, device=pixels.device)[:, None, None] * 255 for v in (self.mean, self.std))
        return pixels.contiguous(memory_format=torch.channels_last).float().sub_(mean).div_(std)


@runtime_checkable
class Varying(Protocol):
    """Whatever varies a picture: the same picture, size and seed give the same pixels.

    Its views are cached under its class, the code of its file and its attributes.
    """

    def least(self, size: int) -> int:
        """Of a picture's shorter side, how many px are worth decoding."""
        ...

    def __call__(self, image: Image.Image, size: int, seed: int) -> Tensor:
        """RGB picture → (3, size, size) uint8."""
        ...


def identity(varying: Varying) -> dict[str, object]:
    """All that decides the views of a picture, as plain values."""
    if isinstance(varying, Augmentation):
        return asdict(varying)
    kind = type(varying)
    return {
        "class": f"{kind.__module__}.{kind.__qualname__}",
        "code": source_of(kind),
        "state": repr(sorted(vars(varying).items())),
    }


@dataclass(frozen=True)
class Augmentation:
    """How a picture may be varied without changing its class.

    `scale` is the smallest part of the area that is kept, `flip` the probability of a left-right flip, `color` the
    strength of changes of brightness, contrast and saturation.
    """

    scale: float = 0.6
    flip: float = 0.5
    color: float = 0.2

    def least(self, size: int) -> int:
        """Of a picture's shorter side, how many px are worth decoding: the smallest cut keeps about twice `size`."""
        return round(2 * size / (0.75 * self.scale) ** 0.5)

    def __call__(self, image: Image.Image, size: int, seed: int) -> Tensor:
        """RGB picture → (3, size, size) uint8; the same seed gives the same picture."""
        pixels = F.pil_to_tensor(image)
        with ONE_AT_A_TIME:  # torchvision draws from the one generator that all threads share
            before = torch.get_rng_state()
            torch.default_generator.manual_seed(seed)  # the CPU's alone: torch.manual_seed would reach a GPU's, too
            try:
                return self._transform(size)(pixels)
            finally:
                torch.set_rng_state(before)

    def _transform(self, size: int) -> v2.Compose:
        return v2.Compose(
            [
                v2.RandomResizedCrop(size, scale=(self.scale, 1), antialias=True),
                v2.RandomHorizontalFlip(self.flip),
                v2.ColorJitter(self.color, self.color, self.color),
            ]
        )
