"""Variations of pixels (3, H, W) uint8 that leave the class as it is: TrivialAugment and random erasing.

All that is drawn comes from the generator that is given: several threads make views at the same time, and each view is a
function of its seed alone. torchvision's own classes draw from the generator of the whole process.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

BINS = 31  # magnitudes of each operation
USUAL = 224  # px: of smaller images, a shift is a smaller one in proportion, or nothing would be left of them
ERASED = (0.02, 1 / 3)  # share of the area
RATIO = (0.3, 1 / 0.3)  # of the sides of what is erased
TRIES = 10


def uniform(low: float, high: float, generator: torch.Generator) -> float:
    """Draw a number from low to high."""
    return low + (high - low) * float(torch.rand((), generator=generator, dtype=torch.float64))


@dataclass(frozen=True)
class Operation:
    """What is done to pixels, and between which magnitudes; `signed`: of either sign; `whole`: a whole number.

    An operation without magnitudes is given 0.
    """

    apply: Callable[[Tensor, float], Tensor]
    first: float = 0.0
    last: float = 0.0
    signed: bool = False
    whole: bool = False

    def magnitude(self, step: int) -> float:
        """The magnitude of a step, 0 … BINS − 1, without its sign."""
        value = self.first + (self.last - self.first) * step / (BINS - 1)
        return round(value) if self.whole else value


def _moved(pixels: Tensor, translate: tuple[int, int] = (0, 0), shear: tuple[float, float] = (0.0, 0.0)) -> Tensor:
    """Shear and shift; what comes in from outside is black. A shear is about the corner, `shear` its slope."""
    degrees = [math.degrees(math.atan(slope)) for slope in shear]
    center = [0.0, 0.0] if any(shear) else None
    return F.affine(pixels, angle=0.0, translate=list(translate), scale=1.0, shear=degrees, center=center)


def _shift(pixels: Tensor, magnitude: float) -> int:
    return int(magnitude * min(1, max(pixels.shape[1:]) / USUAL))


OPERATIONS = {
    "Identity": Operation(lambda pixels, _: pixels),
    "ShearX": Operation(lambda pixels, m: _moved(pixels, shear=(m, 0.0)), 0, 0.99, signed=True),
    "ShearY": Operation(lambda pixels, m: _moved(pixels, shear=(0.0, m)), 0, 0.99, signed=True),
    "TranslateX": Operation(lambda pixels, m: _moved(pixels, (_shift(pixels, m), 0)), 0, 32, signed=True),
    "TranslateY": Operation(lambda pixels, m: _moved(pixels, (0, _shift(pixels, m))), 0, 32, signed=True),
    "Rotate": Operation(F.rotate, 0, 135, signed=True),  # degrees
    "Brightness": Operation(lambda pixels, m: F.adjust_brightness(pixels, 1 + m), 0, 0.99, signed=True),
    "Color": Operation(lambda pixels, m: F.adjust_saturation(pixels, 1 + m), 0, 0.99, signed=True),
    "Contrast": Operation(lambda pixels, m: F.adjust_contrast(pixels, 1 + m), 0, 0.99, signed=True),
    "Sharpness": Operation(lambda pixels, m: F.adjust_sharpness(pixels, 1 + m), 0, 0.99, signed=True),
    "Posterize": Operation(lambda pixels, m: F.posterize(pixels, bits=int(m)), 8, 2, whole=True),
    "Solarize": Operation(lambda pixels, m: F.solarize(pixels, threshold=255 * m), 1, 0),
    "AutoContrast": Operation(lambda pixels, _: F.autocontrast(pixels)),
    "Equalize": Operation(lambda pixels, _: F.equalize(pixels)),
}


def trivial_augment(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """One operation of one magnitude, both drawn evenly: there is nothing to tune (wide search space).

    Source: Müller and Hutter, "TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation", ICCV 2021. Operations and
    magnitudes are those of torchvision's TrivialAugmentWide, but that images below 224 px are shifted less.
    """
    operation, step, sign = (int(torch.randint(n, (), generator=generator)) for n in (len(OPERATIONS), BINS, 2))
    found = list(OPERATIONS.values())[operation]
    magnitude = found.magnitude(step)
    return found.apply(pixels, -magnitude if found.signed and sign else magnitude)


def erased(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Noise in the place of a rectangle, whose area and ratio of sides are drawn until it fits.

    Source: Zhong et al., "Random Erasing Data Augmentation", AAAI 2020; of its ways to fill, the one that did best there.
    """
    _, height, width = pixels.shape
    for _ in range(TRIES):
        area = height * width * uniform(*ERASED, generator)
        ratio = math.exp(uniform(math.log(RATIO[0]), math.log(RATIO[1]), generator))
        h, w = round((area * ratio) ** 0.5), round((area / ratio) ** 0.5)
        if 0 < h < height and 0 < w < width:
            top, left = (int(uniform(0, 1, generator) * (room + 1)) for room in (height - h, width - w))
            noise = torch.randint(256, (3, h, w), generator=generator, dtype=torch.uint8)
            return F.erase(pixels, top, left, h, w, noise)
    return pixels
