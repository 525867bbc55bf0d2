"""The one way a file becomes an image: `load_image`, used by training, prediction and export alike."""

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, NoReturn, Protocol

import numpy as np
from PIL import Image, ImageOps

from ajuste_fino.errors import UserError

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm", ".pnm")
MAX_PIXELS = 100_000_000
DEEP = ("I;16", "I;16L", "I;16B", "I;16N", "I")


class BadImage(Exception):
    """A file that is no usable image; the message says why."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(str(path), reason)
        self.path, self.reason = str(path), reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class Content(Protocol):
    """Where the bytes of an image are: a file, a row of a table or a member of an archive."""

    def read(self) -> bytes:
        """Return all bytes.

        Raises:
            BadImage: where they cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image that is a file of its own."""

    path: Path

    def read(self) -> bytes:
        try:
            if not self.path.is_file():  # a pipe would never end
                raise BadImage(self, "not a regular file" if os.path.lexists(self.path) else "there is no such file")
            return self.path.read_bytes() or _refuse_empty(self)
        except OSError as error:
            raise BadImage(self, error.strerror or str(error)) from error

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, slots=True)
class ImageBytes:
    """An image whose file is in memory; `name` is what messages call it."""

    content: bytes
    name: str

    def read(self) -> bytes:
        return self.content or _refuse_empty(self)

    def __str__(self) -> str:
        return self.name


def _refuse_empty(content: Content) -> NoReturn:
    raise BadImage(content, "an empty file")


def changed(bad: BadImage) -> UserError:
    """What a run says of an image that was good when it was checked."""
    return UserError(str(bad), "changed since it was checked", fix="Start again when nothing writes to the folder.")


class Header(NamedTuple):
    """What a file says of itself before a pixel is decoded: its format, its mode, its sides in px as they are stored."""

    format: str
    mode: str
    width: int
    height: int


def load_image(source: str | Path | Image.Image, min_size: int | None = None) -> Image.Image:
    """Load a file, or convert an image already open, to an upright 8-bit RGB image.

    The rules, the same everywhere:

    - only JPEG, PNG, GIF, BMP, TIFF, WebP and PPM are opened, whatever the file's name says; of an animation the first
      frame; at most 100 million pixels, judged by the header before anything is decoded;
    - the EXIF orientation is applied, so that up is up;
    - alpha and palette transparency are laid on white;
    - 16 bits a channel, and integers of 32, are read as 0 … 65535 and divided by 257;
    - floating point is read as 0 … 1 where no value is larger, else as 0 … 255, else as 0 … 65535; it must be finite;
    - CMYK, YCbCr, Lab and HSV become RGB by Pillow's conversion; colour profiles are not applied;
    - a JPEG file whose shorter side is at least twice `min_size` px is decoded at 1/2, 1/4 or 1/8 of its size, so that the
      shorter side keeps `min_size` px: all its data is read, fewer pixels are computed.

    Raises:
        BadImage: for whatever cannot be decoded whole under these rules.
    """
    with quiet():
        return read_image(source if isinstance(source, Image.Image) else ImageFile(Path(source)), min_size)[1]


@contextmanager
def quiet() -> Iterator[None]:
    """Pillow warns of odd metadata; the pixels decide here. One thread may do this for others, not several at once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def read_image(source: Content | Image.Image, min_size: int | None = None) -> tuple[Header, Image.Image]:
    """`load_image` with the header, for threads: their caller keeps Pillow `quiet`."""
    try:
        if isinstance(source, Image.Image):
            return header(source), to_rgb(source)
        return _decode(source.read(), min_size)
    except BadImage as bad:
        raise BadImage("image" if isinstance(source, Image.Image) else source, bad.reason) from bad
    except Exception as error:  # a damaged file can make a decoder raise anything at all
        raise BadImage(source, str(error) or type(error).__name__) from error


def header(image: Image.Image) -> Header:
    return Header(image.format or "", image.mode, image.width, image.height)


def _decode(content: bytes, min_size: int | None) -> tuple[Header, Image.Image]:
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.UnidentifiedImageError as error:
        raise BadImage("image", f"its content is none of {', '.join(FORMATS)}") from error
    with image:
        stored = header(image)
        _refuse_huge(image)
        if min_size:
            image.draft(None, (min_size, min_size))  # of all formats, only JPEG's decoder can
        return stored, to_rgb(image)


def _refuse_huge(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise BadImage("image", f"{image.width} × {image.height} pixels are more than {MAX_PIXELS:,}")


def to_rgb(image: Image.Image) -> Image.Image:
    """The rules of `load_image` that concern pixels."""
    _refuse_huge(image)
    image.load()
    image = ImageOps.exif_transpose(image)
    if image.mode in DEEP:
        return _from_array(np.asarray(image).astype(np.float32) / 257)
    if image.mode == "F":
        return _from_float(np.asarray(image))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _from_float(values: np.ndarray) -> Image.Image:
    if not np.isfinite(values).all():
        raise BadImage("image", "it holds values that are not finite")
    top = float(values.max())
    full = 1 if top <= 1 else 255 if top <= 255 else 65535
    return _from_array(values / full * 255)


def _from_array(grey: np.ndarray) -> Image.Image:
    return Image.fromarray(grey.clip(0, 255).round().astype(np.uint8)).convert("RGB")
