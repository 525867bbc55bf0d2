"""What decoding an image tells: its header and a perceptual hash, kept on disk by content."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ajuste_fino.console import log
from ajuste_fino.data.images import Header
from ajuste_fino.errors import UserError
from ajuste_fino.files import cache_folder, in_cache, writable_cache, write_text
from ajuste_fino.places import told

RULES = 3  # of load_image and ImageInfo: raise it when they change, and every image is decoded anew
SIDE = 16  # of the hash: 16 × 16 bits
FLAT = 2.0  # grey levels; an image that varies less has no hash worth comparing
SMALL = 32  # px; nor has a smaller one
NONE = "-"
NUMBER = r"-?[0-9]+(?:\.[0-9]+)?(?:e[+-][0-9]+)?|-?inf|nan"  # as `repr` writes a float
LINE = re.compile(rf"([0-9a-f]{{64}}) (\w+) (\S+) ([0-9]{{1,9}}) ([0-9]{{1,9}}) (?:-|({NUMBER}):({NUMBER})) (-|[0-9a-f]{{64}})")


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """An image that can be decoded: format, mode and sides in px as stored, and its difference hash (256 bits in hex).

    `values` are the least and the largest as they are stored, where that is in more than 8 bits. `hash` is "-" for an image
    that is too flat or too small to be told from others by it.
    """

    format: str
    mode: str
    width: int
    height: int
    values: tuple[float, float] | None
    hash: str

    @property
    def comparable(self) -> bool:
        """Whether its hash is worth comparing."""
        return self.hash != NONE

    @classmethod
    def of(cls, header: Header, image: Image.Image) -> "ImageInfo":
        """Return the info of a decoded image (RGB, upright)."""
        return cls(*header, difference_hash(image) if min(header.width, header.height) >= SMALL else NONE)


def difference_hash(image: Image.Image) -> str:
    """Whether each of 16 × 16 cells is darker than its right neighbour: 64 hexadecimal digits.

    It hardly changes when an image is scaled, compressed or stored in another format. Source: N. Krawetz, "Kind of like
    that", hackerfactor.com, 2013.
    """
    smaller = image.reduce(max(1, min(image.size) // (4 * SIDE)))  # whole pixels first: the same cells in half the time
    cells = np.asarray(smaller.resize((SIDE + 1, SIDE), Image.Resampling.BOX).convert("L")).astype(np.int16)
    if cells.std() < FLAT:
        return NONE
    return np.packbits(cells[:, 1:] > cells[:, :-1]).tobytes().hex()


class ImageInfoCache:
    """The infos of all contents that were ever decoded, on disk in the cache; as a context, it is saved at the end.

    Args:
        depth: of `load_image`; an image that is nearly black without it has another hash.
    """

    def __init__(self, depth: int | None = None) -> None:
        self._name = f"image-infos-{RULES}.txt" if depth is None else f"image-infos-{RULES}-depth{depth}.txt"
        self._infos: dict[str, ImageInfo] = dict(_lines(self._name))
        self._before = len(self._infos)

    def __contains__(self, content: str) -> bool:
        return content in self._infos

    def __getitem__(self, content: str) -> ImageInfo:
        return self._infos[content]

    def get(self, content: str, otherwise: ImageInfo) -> ImageInfo:
        return self._infos.get(content, otherwise)

    def update(self, infos: Mapping[str, ImageInfo]) -> None:
        self._infos.update(infos)

    def __enter__(self) -> "ImageInfoCache":
        return self

    def __exit__(self, *_: object) -> None:
        """Save, also after Ctrl-C or an error, so that no image has to be decoded again; without a cache it will be."""
        if len(self._infos) == self._before:
            return
        try:
            writable_cache()
        except UserError as error:
            log.warning(f"{error} Until then each image is checked anew in every run.")
        else:
            self._infos = {**dict(_lines(self._name)), **self._infos}  # another run may have saved meanwhile
            self._save()

    def _save(self) -> None:
        try:
            path = cache_folder() / self._name
            write_text(path, "".join(_line(content, info) for content, info in sorted(self._infos.items())))
        except OSError as error:
            log.warning(f"{told(error)} Until then each image is checked anew in every run.")


def _line(content: str, info: ImageInfo) -> str:
    values = NONE if info.values is None else "{!r}:{!r}".format(*info.values)
    return f"{content} {info.format} {info.mode} {info.width} {info.height} {values} {info.hash}\n"


def _lines(name: str) -> Iterator[tuple[str, ImageInfo]]:
    for path in in_cache(name):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if whole := LINE.fullmatch(line):  # an image of a damaged line is decoded again
                content, format, mode, width, height, low, high, bits = whole.groups()
                values = None if low is None else (float(low), float(high))
                yield content, ImageInfo(format, mode, int(width), int(height), values, bits)
