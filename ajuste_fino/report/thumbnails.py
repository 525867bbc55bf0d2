"""Small copies of images, to be part of a page that needs no other file."""

import base64
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from PIL import Image

from ajuste_fino.data.content import BadImage, Content
from ajuste_fino.data.images import quiet, read_image

SIDE = 96  # px of the longer side
TILE = 48  # px of a side, of a tile in a sheet
COLUMNS = 25
GREY = (128, 128, 128)


def data_uri(content: bytes, kind: str) -> str:
    """The bytes of an image as an address: `data:image/png;base64,…`."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def jpeg_uri(image: Image.Image) -> str:
    """An RGB image as an address."""
    return data_uri(_jpeg(image), "jpeg")


def thumbnails(images: Sequence[Content], workers: int, depth: int | None = None, side: int = SIDE) -> list[str]:
    """Addresses of JPEGs of at most `side` px a side; empty for an image that can no longer be read, or is another.

    Args:
        depth: bits in use in images of 16 bits, as for `load_image`.
    """
    return ["" if image is None else jpeg_uri(image) for image in small(images, side, workers, depth)]


def sheet(images: Sequence[Content], workers: int, depth: int | None = None) -> str:
    """The address of one JPEG with a tile of 48 px for each image, 25 in a row; one that cannot be read is grey."""
    tiles = small(images, TILE, workers, depth)
    whole = Image.new("RGB", (TILE * COLUMNS, TILE * -(-max(len(images), 1) // COLUMNS)), GREY)
    for number, tile in enumerate(tiles):
        if tile is not None:
            row, column = divmod(number, COLUMNS)
            middle = ((TILE - tile.width) // 2, (TILE - tile.height) // 2)
            whole.paste(tile, (column * TILE + middle[0], row * TILE + middle[1]))
    return jpeg_uri(whole)


def small(images: Sequence[Content], side: int, workers: int = 1, depth: int | None = None) -> list[Image.Image | None]:
    """Images whose longer side has `side` px; None for one that can no longer be read, or is another."""

    def one(image: Content) -> Image.Image | None:
        try:
            seen = read_image(image, side, depth)[1]
        except BadImage:  # it was good a minute ago; the page says that it cannot be shown
            return None
        scale = side / max(seen.size)
        size = (max(1, round(seen.width * scale)), max(1, round(seen.height * scale)))
        return seen.resize(size, Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BICUBIC, reducing_gap=2.0)

    with quiet(), ThreadPoolExecutor(max(workers, 1)) as pool:
        return list(pool.map(one, images))


def _jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=70)
    return buffer.getvalue()
