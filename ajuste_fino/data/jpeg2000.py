"""How many bits a channel of a JPEG 2000 file has, by which Pillow scales it: grey to 16 bits, colour to 8."""

import numpy as np
from PIL import Image

from ajuste_fino.data.depth import DEEP

CODESTREAM = b"\xff\x4f\xff\x51"
BITS = 42  # bytes behind its beginning, where those of the first channel are. Source: ISO/IEC 15444-1, A.5.1


def bits_of_file(content: bytes) -> int:
    """The bits of a channel that a file declares."""
    return (content[content.find(CODESTREAM) + BITS] & 0x7F) + 1


def as_stored(image: Image.Image, content: bytes, depth: int) -> Image.Image:
    """The image with the values that are in the file, for a `depth` to read them; of colour, 8 bits are enough or refused.

    Args:
        image: loaded.
        content: of the file; empty for an image whose file nobody has.

    Raises:
        ValueError: where the values cannot be known.
    """
    grey = image.mode in DEEP
    if not content:
        if grey:
            raise ValueError(f"Pillow scaled its values to 16 bits, and data.depth={depth} needs them; pass the file itself")
        return image
    bits = bits_of_file(content)
    if grey:
        return Image.fromarray((np.asarray(image) >> max(16 - bits, 0)).astype(np.uint16))
    if bits > 8 and bits != depth:
        few = f"Pillow keeps 8 of its {bits} bits of colour, and data.depth={depth} needs all"
        raise ValueError(f"{few}; convert it to a PNG or TIFF of 16 bits")
    return image
