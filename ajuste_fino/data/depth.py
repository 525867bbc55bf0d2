"""Images of more than 8 bits a channel: which values they hold, and which grey levels these become."""

import sys

import numpy as np
from PIL import Image

DEEP = ("I;16", "I;16L", "I;16B", "I;16N", "I")
FULL = 2**16 - 1  # what is white where nobody says how many bits are in use
SCALES = (1, 255, FULL)  # of floating point: the first that no value is above
BITS, PLANES = 258, 284  # tags of TIFF
OTHER_BYTE = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}


def colour_of_16_bits(image: Image.Image) -> bool:
    """Whether an image that is not loaded yet stores its colours in 16 bits a channel, of which Pillow reads the upper 8."""
    return ";16" in _raw_mode(image) and image.mode not in DEEP


def _raw_mode(image: Image.Image) -> str:
    """How the file stores a pixel, in Pillow's words; "" for a PNG's palette and the like."""
    args = next((tile[3] for tile in getattr(image, "tile", ())), "")
    raw = args[0] if isinstance(args, tuple | list) and args else args
    return raw if isinstance(raw, str) else ""


def refuse_planes(image: Image.Image) -> None:
    """Pillow reads uncompressed planes of 16 bits, one for each colour, as if they were of 8, which gives noise.

    Raises:
        ValueError: for an image that is stored so, and not loaded yet.
    """
    if _in_planes(image) and max(image.tag_v2.get(BITS, (8,))) > 8 and ";" not in _raw_mode(image):  # type: ignore[attr-defined]
        raise ValueError("16 bits a channel in a plane for each colour cannot be read; store the colours of a pixel together")


def _in_planes(image: Image.Image) -> bool:
    return getattr(image, "tag_v2", {}).get(PLANES) == 2


def range_of(image: Image.Image) -> tuple[float, float]:
    """The least and the largest value as stored, of a loaded image; of colour in 16 bits, as far as the upper 8 tell."""
    if image.mode in DEEP or image.mode == "F":
        values = np.asarray(image)
        return float(values.min()), float(values.max())
    levels = np.asarray(image)[..., : _colours(image)]
    return float(levels.min()) * 256, float(levels.max()) * 256 + 255


def scale_of(top: float) -> int:
    """What is white in an image of floating point whose largest value is `top`."""
    return next((scale for scale in SCALES if top <= scale), FULL)


def bits_of(top: float) -> int:
    """How many bits the values 0 … `top` need."""
    return max(int(top).bit_length(), 1)


def white_of(depth: int | None) -> int:
    """The least value of integers that is white."""
    return FULL if depth is None else 2**depth - 1


def beyond_white(mode: str, values: tuple[float, float] | None, depth: int | None) -> float | None:
    """The largest of the values of an image, as `range_of` has them, where integers are above white."""
    return values[1] if values and mode != "F" and values[1] > white_of(depth) else None


def from_integers(image: Image.Image, depth: int | None) -> Image.Image:
    return _from_array(np.asarray(image).astype(np.float32) / _divisor(depth))


def _divisor(depth: int | None) -> float:
    """By what a value is divided to be a grey level, 0 to 255."""
    return 257 if depth is None else (2**depth - 1) / 255


def from_float(image: Image.Image) -> Image.Image:
    values = np.asarray(image)
    if not np.isfinite(values).all():
        raise ValueError("it holds values that are not finite")
    return _from_array(values / scale_of(float(values.max())) * 255)


def from_colour(image: Image.Image, again: Image.Image, depth: int) -> Image.Image:
    """Scale all 16 bits of the colours; alpha is opaque at 65535 whatever the depth, and keeps its upper 8.

    Args:
        image: loaded, with the upper 8 bits.
        again: the same file, opened and not loaded, of which the lower 8 bits are decoded.

    Raises:
        ValueError: where colours are stored multiplied by alpha, on a scale that nobody knows, or in a plane for each.
    """
    pixels, count = np.array(image), _colours(image)
    values = pixels[..., :count].astype(np.float32) * 256 + _lower(again)[..., :count]
    pixels[..., :count] = (values / _divisor(depth)).clip(0, 255).round()
    return Image.frombytes(image.mode, image.size, pixels.tobytes())


def _colours(image: Image.Image) -> int:
    """How many of the channels are colours, which come first."""
    return len(image.getbands()) - image.mode.endswith("A")


def _lower(image: Image.Image) -> np.ndarray:
    """Decode the lower 8 bits of an image that is opened and not loaded, (H, W, channels) or (H, W, 1)."""
    raw = _raw_mode(image)
    if raw.startswith("RGBa"):
        raise ValueError("16 bits a channel, multiplied by alpha, cannot be read at a data.depth; store alpha apart")
    if _in_planes(image):  # which Pillow decodes on its own terms
        raise ValueError("a plane for each colour cannot be read at a data.depth; store the colours of a pixel together")
    grey = raw == "LA;16B"
    other = "RGBA" if grey else raw[:-1] + OTHER_BYTE[raw[-1]]  # of grey and alpha, the four bytes are decoded one by one
    tiles = image.tile  # type: ignore[attr-defined]
    for n, tile in enumerate(tiles):
        tiles[n] = tile._replace(args=other if isinstance(tile.args, str) else (other, *tile.args[1:]))
    image.load()
    return np.asarray(image)[..., 1:2] if grey else np.asarray(image)


def _from_array(grey: np.ndarray) -> Image.Image:
    return Image.fromarray(grey.clip(0, 255).round().astype(np.uint8)).convert("RGB")
