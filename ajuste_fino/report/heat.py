"""An image with the places that speak for a class laid over it."""

import matplotlib as mpl
import numpy as np
from PIL import Image
from torch import Tensor

from ajuste_fino.report.html import data_uri

SIDE = 224  # px
STRENGTH = 0.6  # of the colour, where it is warmest


def overlay(pixels: Tensor, heat: Tensor) -> str:
    """(3, S, S) uint8 and (S, S) in [0, 1] → the URI of both, grey below, warm above."""
    grey = pixels.float().mean(0).numpy()[..., None].repeat(3, 2)
    warm = mpl.colormaps["inferno"](heat.numpy())[..., :3] * 255
    weight = STRENGTH * heat.numpy()[..., None]
    image = Image.fromarray(np.uint8((1 - weight) * grey + weight * warm))
    return data_uri(image.resize((SIDE, SIDE)) if image.width < SIDE else image)
