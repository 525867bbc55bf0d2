"""The one way a file becomes an image: `load_image`, used by training, prediction and export alike."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from ajuste_fino.data import boxes, heif
from ajuste_fino.data.content import BadImage, Content, ImageFile
from ajuste_fino.data.depth import DEEP, colour_of_16_bits, from_colour, from_float, from_integers, range_of, refuse_planes
from ajuste_fino.data.jpeg2000 import as_stored
from ajuste_fino.data.kinds import FORMATS, HEAD, PILLOWS, image_format, seems
from ajuste_fino.data.metadata import ORIENTATION, without_metadata

MAX_PIXELS = 100_000_000
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Header(NamedTuple):
    """How an image is stored: its format, its mode, its sides in px; of more than 8 bits, the least and the largest value."""

    format: str
    mode: str
    width: int
    height: int
    values: tuple[float, float] | None = None


def load_image(source: str | Path | Image.Image, min_size: int | None = None, depth: int | None = None) -> Image.Image:
    """Load a file, or convert an image already open, to an upright 8-bit RGB image.

    The rules, the same everywhere:

    - only JPEG, PNG, GIF, BMP, TIFF, WebP, PPM, AVIF and JPEG 2000 are opened, and HEIC where pillow-heif is installed,
      whatever the file's name says; of an animation, and of the several images of a phone's JPEG, the first; at most 100
      million pixels, judged by the header before anything is decoded;
    - the EXIF orientation is applied, so that up is up; one that cannot be read leaves the pixels as they are stored; AVIF and
      HEIC say it in their own boxes, which count alone;
    - a file that cannot be read for its metadata is read without it, as long as its pixels are whole;
    - alpha and palette transparency are laid on white;
    - 16 bits a channel, and integers of 32, are read as 0 … 65535 and divided by 257; with a `depth` they are read as 0 …
      2^depth − 1, and what is larger becomes white;
    - floating point is read as 0 … 1 where no value is larger, else as 0 … 255, else as 0 … 65535; it must be finite;
    - CMYK, YCbCr, Lab and HSV become RGB by Pillow's conversion; colour profiles are not applied;
    - AVIF and HEIC of 10 or 12 bits are read as 8 bits, and JPEG 2000 as 0 to the largest value of the bits that it declares;
    - of a PIL image already loaded from 16 bits of colour, Pillow has kept the upper 8, whatever the `depth`;
    - a JPEG file whose shorter side is at least twice `min_size` px is decoded at 1/2, 1/4 or 1/8 of its size, so that the
      shorter side keeps `min_size` px: all its data is read, fewer pixels are computed.

    Raises:
        BadImage: for whatever cannot be decoded whole under these rules.
    """
    with quiet():
        return read_image(source if isinstance(source, Image.Image) else ImageFile(Path(source)), min_size, depth)[1]


@contextmanager
def quiet() -> Iterator[None]:
    """Pillow warns of odd metadata; the pixels decide here. One thread may do this for others, not several at once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def read_image(
    source: Content | Image.Image, min_size: int | None = None, depth: int | None = None
) -> tuple[Header, Image.Image]:
    """`load_image` with the header, for threads: their caller keeps Pillow `quiet`."""
    try:
        if isinstance(source, Image.Image):
            return to_rgb(source, depth)
        return _decode(source.read(), min_size, depth)
    except BadImage as bad:
        raise BadImage("image" if isinstance(source, Image.Image) else source, bad.reason) from bad
    except Exception as error:  # a damaged file can make a decoder raise anything at all
        raise BadImage(source, str(error) or type(error).__name__) from error


def _decode(content: bytes, min_size: int | None, depth: int | None) -> tuple[Header, Image.Image]:
    """Decode a file; one that fails is tried again without its metadata, and the first error stands."""
    try:
        return _decode_as_it_is(content, min_size, depth)
    except BadImage:
        raise
    except Image.DecompressionBombError as error:
        raise _huge("its pixels") from error  # Pillow's own limit is twice as high, and it does not tell the sides
    except Exception as error:
        for stripped in without_metadata(content):
            try:
                return _decode_as_it_is(stripped, min_size, depth)
            except Exception:  # the pixels themselves are damaged, as the first error says
                continue
        if isinstance(error, Image.UnidentifiedImageError):
            raise BadImage("image", _what_it_is(content)) from error
        raise


def _what_it_is(content: bytes) -> str:
    if format := image_format(content[:HEAD]):
        return f"it begins as {'an' if format == 'AVIF' else 'a'} {format} file, but is damaged or of a kind that is not read"
    kind, others = seems(content), f"none of {', '.join(FORMATS)}"
    return f"its content is {kind} ({others})" if kind else f"its content is {others}"


def _decode_as_it_is(content: bytes, min_size: int | None, depth: int | None) -> tuple[Header, Image.Image]:
    with _opened(content) as image:
        _refuse_huge(image.size)
        size = image.size
        if min_size and image.format in ("JPEG", "MPO"):  # the draft of others is a thumbnail, which may show anything
            image.draft(None, (min_size, min_size))
        stored, seen = to_rgb(image, depth, content)
        return stored._replace(width=size[0], height=size[1]), seen


def _opened(content: bytes) -> Image.Image:
    """Open a file of the formats that are read, and of no others; nothing is decoded yet."""
    format = image_format(content[:HEAD])
    if format in ("AVIF", "HEIF"):  # whose decoders refuse what is too large for them, and do not say why
        for size in boxes.sides(content):
            _refuse_huge(size)
    return heif.opened(content) if format == "HEIF" else Image.open(io.BytesIO(content), formats=PILLOWS)


def _refuse_huge(size: tuple[int, int]) -> None:
    if size[0] * size[1] > MAX_PIXELS:
        raise _huge(f"{size[0]} × {size[1]} pixels")


def _huge(pixels: str) -> BadImage:
    return BadImage("image", f"{pixels} are more than {MAX_PIXELS:,}")


def to_rgb(image: Image.Image, depth: int | None = None, content: bytes = b"") -> tuple[Header, Image.Image]:
    """The rules of `load_image` that concern pixels; also how they were stored.

    Args:
        content: of the file, which is decoded again where a `depth` asks for bits of colour that Pillow leaves out.

    Raises:
        BadImage: for more pixels than are read.
        ValueError: for values that cannot be read; without a content, for colours whose lower bits are needed.
    """
    _refuse_huge(image.size)
    refuse_planes(image)
    format = "JPEG" if image.format == "MPO" else image.format or ""  # a JPEG with other images behind the first
    stored, deep_colour = Header(format, image.mode, image.width, image.height), colour_of_16_bits(image)
    if depth and deep_colour and not content:
        raise ValueError(f"Pillow keeps 8 of its 16 bits of colour, and data.depth={depth} needs all; pass the file itself")
    image.load()
    if depth and image.format == "JPEG2000":
        image = as_stored(image, content, depth)
    if image.mode in DEEP or image.mode == "F" or deep_colour:
        stored = stored._replace(values=range_of(image))
    return stored, _upright(image, _plain(image, depth, content if deep_colour else b""))


def _plain(image: Image.Image, depth: int | None, colour: bytes) -> Image.Image:
    if image.mode in DEEP:
        return from_integers(image, depth)
    if image.mode == "F":
        return from_float(image)
    if depth and colour:
        with Image.open(io.BytesIO(colour), formats=PILLOWS) as again:
            image = from_colour(image, again, depth)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _upright(image: Image.Image, pixels: Image.Image) -> Image.Image:
    """The pixels, turned as the metadata of the image they are of say."""
    try:
        turn = _turn(image)
    except Exception:  # metadata that cannot be read say nothing: the pixels stay as they are stored
        return pixels
    return pixels if turn is None else pixels.transpose(turn)


def _turn(image: Image.Image) -> Image.Transpose | None:
    """By EXIF or XMP; in AVIF and HEIC their own boxes count alone, which Pillow hands on as EXIF and pillow-heif applies."""
    if image.format == "HEIF":
        return None
    exif = image.getexif()
    if image.format == "AVIF":
        exif = Image.Exif()
        exif.load(image.info.get("exif", b""))
    return TURNS.get(exif.get(ORIENTATION, 1))
