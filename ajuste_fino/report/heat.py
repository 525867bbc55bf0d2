"""An image with the places that speak for a class laid over it."""

import matplotlib as mpl
import numpy as np
from PIL import Image
from torch import Tensor

from ajuste_fino.report.thumbnails import jpeg_uri

SIDE = 224  # px
STRENGTH = 0.6  # of the colour, where it is warmest


def laid_over(pixels: Tensor, heat: Tensor) -> Image.Image:
    """(3, S, S) uint8 and (S, S) in [0, 1] → both in one image, grey below, warm above, at least `SIDE` px wide."""
    grey = pixels.float().mean(0).numpy()[..., None].repeat(3, 2)
    warm = mpl.colormaps["inferno"](heat.numpy())[..., :3] * 255
    weight = STRENGTH * heat.numpy()[..., None]
    image = Image.fromarray(np.asarray((1 - weight) * grey + weight * warm, dtype=np.uint8))
    return image.resize((SIDE, SIDE)) if image.width < SIDE else image


def overlay(pixels: Tensor, heat: Tensor) -> str:
    """The same as the URI of an image."""
    return jpeg_uri(laid_over(pixels, heat))
