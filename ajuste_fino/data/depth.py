"""Images of more than 8 bits a channel: which values they hold, and which grey levels these become."""

import sys

import numpy as np
from PIL import Image

DEEP = ("I;16", "I;16L", "I;16B", "I;16N", "I")
FULL = 2**16 - 1  # what is white where nobody says how many bits are in use
SCALES = (1, 255, FULL)  # of floating point: the first that no value is above
OTHER_BYTE = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}


def colour_of_16_bits(image: Image.Image) -> bool:
    """Whether an image that is not loaded yet stores its colours in 16 bits a channel, of which Pillow reads the upper 8."""
    return ";16" in _raw_mode(image) and image.mode not in DEEP


def _raw_mode(image: Image.Image) -> str:
    """How the file stores a pixel, in Pillow's words; "" for a PNG's palette and the like."""
    args = next((tile[3] for tile in getattr(image, "tile", ())), "")
    raw = args[0] if isinstance(args, tuple | list) and args else args
    return raw if isinstance(raw, str) else ""


def range_of(image: Image.Image) -> tuple[float, float] | None:
    """The least and the largest value as stored, of a loaded image; of colour in 16 bits, as far as the upper 8 tell."""
    if image.mode in DEEP or image.mode == "F":
        values = np.asarray(image)
        return float(values.min()), float(values.max())
    levels = np.asarray(image)[..., :3]
    return float(levels.min()) * 256, float(levels.max()) * 256 + 255


def scale_of(top: float) -> int:
    """What is white in an image of floating point whose largest value is `top`."""
    return next((scale for scale in SCALES if top <= scale), FULL)


def bits_of(top: float) -> int:
    """How many bits the values 0 … `top` need."""
    return max(int(top).bit_length(), 1)


def from_integers(image: Image.Image, depth: int | None) -> Image.Image:
    return _from_array(np.asarray(image).astype(np.float32) / _divisor(depth))


def _divisor(depth: int | None) -> float:
    return 257 if depth is None else (2**depth - 1) / 255


def from_float(image: Image.Image) -> Image.Image:
    values = np.asarray(image)
    if not np.isfinite(values).all():
        raise ValueError("it holds values that are not finite")
    return _from_array(values / scale_of(float(values.max())) * 255)


def from_colour(image: Image.Image, again: Image.Image, depth: int) -> Image.Image:
    """Scale all 16 bits a channel.

    Args:
        image: loaded, with the upper 8 bits.
        again: the same file, opened and not loaded; its lower 8 bits are decoded as if they were the upper ones.
    """
    values = np.asarray(image).astype(np.float32) * 256 + _lower(again)
    scaled = (values / _divisor(depth)).clip(0, 255).round().astype(np.uint8)
    return Image.frombytes(image.mode, image.size, scaled.tobytes())


def _lower(image: Image.Image) -> np.ndarray | float:
    raw = _raw_mode(image)
    if raw.startswith("LA"):  # Pillow reads these in one order only
        return 0.0
    other = raw[:-1] + OTHER_BYTE[raw[-1]]
    tiles = image.tile  # type: ignore[attr-defined]
    for n, tile in enumerate(tiles):
        tiles[n] = tile._replace(args=other if isinstance(tile.args, str) else (other, *tile.args[1:]))
    image.load()
    return np.asarray(image).astype(np.float32)


def _from_array(grey: np.ndarray) -> Image.Image:
    return Image.fromarray(grey.clip(0, 255).round().astype(np.uint8)).convert("RGB")
