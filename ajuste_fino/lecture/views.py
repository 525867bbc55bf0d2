"""A task made of two photographs: which of ten places does a view show, however it was taken?

Digits of 8 × 8 pixels tell a random network almost as much as a trained one. What ImageNet's features are worth shows on
photographs only, and of those two ship with scikit-learn. Each is divided into twelve places, and the ten that vary most
are the classes (sky and blurred background have nothing to be known by). A view is a window on a place, shifted, turned,
sheared, flipped, nearer or farther, in another light, colour and contrast, with noise: of a few views a network must learn what
stays the same, which is what its pretraining has taught it, or has not. No view of the test is one of the training.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from ajuste_fino.lecture.data import Split
from ajuste_fino.lecture.photo import PHOTOGRAPHS, whole

ROWS, COLUMNS, CLASSES = 3, 4, 10
NOISE = 0.05  # standard deviation, of 1


class Place(NamedTuple):
    """A part of a photograph (3, H, W): its middle (x, y) and its shorter side, in px."""

    photograph: Tensor
    middle: tuple[float, float]
    side: float


def places() -> list[Place]:
    """The ten places whose brightness varies most, of the twelve of each photograph."""
    found = []
    for image in map(whole, PHOTOGRAPHS):
        height, width = image.shape[1] / ROWS, image.shape[2] / COLUMNS
        for n in range(ROWS * COLUMNS):
            row, column = divmod(n, COLUMNS)
            part = image.mean(0).tensor_split(ROWS, 0)[row].tensor_split(COLUMNS, 1)[column]
            place = Place(image, ((column + 0.5) * width, (row + 0.5) * height), min(height, width))
            found.append((float(part.std()), place))
    return [place for _, place in sorted(found, key=lambda pair: -pair[0])[:CLASSES]]


def views(count: int, side: int, seed: int) -> Split:
    """`count` views of each place: (10 · count, 3, side, side) of uint8, and the places' numbers."""
    generator = torch.Generator().manual_seed(seed)
    drawn = [(_view(place, side, generator), label) for label, place in enumerate(places()) for _ in range(count)]
    images = torch.stack([image for image, _ in drawn])
    return Split((images * 255).round().to(torch.uint8), torch.tensor([label for _, label in drawn]))


def _view(place: Place, side: int, generator: torch.Generator) -> Tensor:
    """(3, side, side) in [0, 1]."""

    def between(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    window = place.side * between(0.5, 1)  # px of the photograph
    shift = torch.tensor([between(-0.25, 0.25) * place.side for _ in "xy"])
    angle, shear = math.radians(between(-60, 60)), between(-0.25, 0.25)
    turn = torch.tensor([[math.cos(angle), shear - math.sin(angle)], [shear + math.sin(angle), math.cos(angle)]])
    flip = torch.tensor([1.0 if between(0, 1) < 0.5 else -1.0, 1.0])
    image = _window(place.photograph, torch.tensor(place.middle) + shift, turn * flip * window / 2, side)
    mean = image.mean(dim=(1, 2), keepdim=True)
    image = mean + (image - mean) * between(0.5, 1.5)  # contrast
    image = image * torch.tensor([between(0.6, 1.4) for _ in "rgb"])[:, None, None] + between(-0.2, 0.2)  # light
    image = image.lerp(image.mean(0, keepdim=True).expand_as(image), between(0, 1))  # colour
    return (image + NOISE * torch.randn(image.shape, generator=generator)).clamp(0, 1)


def _window(image: Tensor, middle: Tensor, axes: Tensor, side: int) -> Tensor:
    """The part of an image around `middle` (x, y), whose half sides are the columns of `axes`, in px: (3, side, side)."""
    ends = torch.linspace(-1, 1, side)
    y, x = torch.meshgrid(ends, ends, indexing="ij")
    points = torch.stack([x, y], -1) @ axes.mT + middle
    size = torch.tensor([image.shape[2], image.shape[1]])
    grid = (points + 0.5) / size * 2 - 1
    return grid_sample(image[None], grid[None], padding_mode="reflection", align_corners=False)[0]
