"""A real photograph, from scikit-learn's sample images."""

from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import interpolate


@cache
def photograph(side: int, name: str = "china.jpg") -> Tensor:
    """(3, side, side) in [0, 1]: the middle square of `china.jpg` or `flower.jpg`."""
    from sklearn.datasets import load_sample_image

    image = torch.tensor(load_sample_image(name)).permute(2, 0, 1).float() / 255
    height, width = image.shape[1:]
    left = (width - height) // 2
    square = image[None, :, :, left : left + height]
    return interpolate(square, (side, side), mode="bilinear", antialias=True)[0].clamp(0, 1)


def grey(side: int) -> Tensor:
    """(1, 1, side, side): the photograph in grey, as a batch of one."""
    return photograph(side).mean(0)[None, None]
