"""Two real photographs, scikit-learn's sample images."""

from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import interpolate

PHOTOGRAPHS = ("china.jpg", "flower.jpg")


@cache
def whole(name: str) -> Tensor:
    """(3, 427, 640) in [0, 1]: one of `PHOTOGRAPHS`."""
    from sklearn.datasets import load_sample_image

    return torch.tensor(load_sample_image(name)).permute(2, 0, 1).float() / 255


@cache
def photograph(side: int) -> Tensor:
    """(3, side, side) in [0, 1]: the middle square of the first one."""
    image = whole(PHOTOGRAPHS[0])
    height, width = image.shape[1:]
    left = (width - height) // 2
    square = image[None, :, :, left : left + height]
    return interpolate(square, (side, side), mode="bilinear", antialias=True)[0].clamp(0, 1)


def grey(side: int) -> Tensor:
    """(1, 1, side, side): the photograph in grey, as a batch of one."""
    return photograph(side).mean(0)[None, None]
