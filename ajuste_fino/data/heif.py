"""HEIC and HEIF, the formats of phones: read by pillow-heif where it is installed, which the first such file has imported."""

import io
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

PIP = "pip install 'ajuste-fino[heif]'"
INSTALL = f"install it with {PIP}, or convert the file to JPEG"


@cache
def is_installed() -> bool:
    """Whether such files can be read; the library is not imported for that."""
    return find_spec("pillow_heif") is not None


def opened(content: bytes) -> "Image.Image":
    """The first image of a file, its primary one, not decoded yet; Pillow's list of formats stays as it is for others.

    Its mode is of 8 bits, whatever the depth of the file, and its pixels will be upright, whatever its EXIF says.

    Raises:
        ValueError: where the library is not there.
        SyntaxError: for a damaged file.
    """
    try:
        from pillow_heif import HeifImageFile
    except ImportError as error:
        raise ValueError(f"a HEIC file, for which the library pillow-heif is needed; {INSTALL}") from error
    image: Image.Image = HeifImageFile(io.BytesIO(content))
    return image
