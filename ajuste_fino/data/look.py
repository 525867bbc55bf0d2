"""What one look at a picture finds out: its header and a perceptual hash, remembered by content."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ajuste_fino.data.images import BadImage, Header
from ajuste_fino.files import cache_folder, write_text

RULES = 2  # of load_image and Look: raise it when they change, and everything is looked at anew
SIDE = 16  # of the hash: 16 × 16 bits
FLAT = 2.0  # grey levels; a picture that varies less has no hash worth comparing
SMALL = 32  # px; nor has a smaller one
NONE = "-"
LINE = re.compile(r"([0-9a-f]{64}) (\w+) (\S+) (\d+) (\d+) (-|[0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Look:
    """A picture that can be decoded: format, mode and sides in px as stored, and its difference hash (256 bits in hex).

    `hash` is "-" for a picture that is too flat or too small to be told from others by it.
    """

    format: str
    mode: str
    width: int
    height: int
    hash: str

    @property
    def comparable(self) -> bool:
        """Whether its hash is worth comparing."""
        return self.hash != NONE

    @classmethod
    def at(cls, header: Header, image: Image.Image) -> "Look":
        """The look of a decoded picture (RGB, upright)."""
        return cls(*header, difference_hash(image) if min(header.width, header.height) >= SMALL else NONE)


def difference_hash(image: Image.Image) -> str:
    """Whether each of 16 × 16 cells is darker than its right neighbour: 64 hexadecimal digits.

    It hardly changes when a picture is scaled, compressed or stored in another format. Source: N. Krawetz, "Kind of like
    that", hackerfactor.com, 2013.
    """
    smaller = image.reduce(max(1, min(image.size) // (4 * SIDE)))  # whole pixels first: the same cells in half the time
    cells = np.asarray(smaller.resize((SIDE + 1, SIDE), Image.Resampling.BOX).convert("L")).astype(np.int16)
    if cells.std() < FLAT:
        return NONE
    return np.packbits(cells[:, 1:] > cells[:, :-1]).tobytes().hex()


def content_of(path: Path, expected: str) -> bytes:
    """A file's content, which must have the hash it had when the run began.

    Raises:
        BadImage: where it has another, or cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadImage(path, error.strerror or str(error)) from error
    if hashlib.sha256(content).hexdigest() != expected:
        raise BadImage(path, "its content is not what it was")
    return content


class Record:
    """The looks of all contents that were ever found good, on disk in the cache; as a context, it is saved at the end."""

    def __init__(self) -> None:
        self.looks: dict[str, Look] = dict(_lines(_path()))
        self._before = len(self.looks)

    def __enter__(self) -> "Record":
        return self

    def __exit__(self, *_: object) -> None:
        """Save, also after Ctrl-C or an error: what was seen need not be seen again."""
        if len(self.looks) > self._before:
            self.looks = {**dict(_lines(_path())), **self.looks}  # another run may have saved meanwhile
            write_text(_path(), "".join(_line(content, look) for content, look in sorted(self.looks.items())))


def _path() -> Path:
    return cache_folder() / f"looks-{RULES}.txt"


def _line(content: str, look: Look) -> str:
    return " ".join([content, *(str(value) for value in astuple(look))]) + "\n"


def _lines(path: Path) -> Iterator[tuple[str, Look]]:
    if path.exists():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if whole := LINE.fullmatch(line):  # a damaged line is a picture that is looked at again
                content, kind, mode, width, height, bits = whole.groups()
                yield content, Look(kind, mode, int(width), int(height), bits)


Looks = Mapping[str, Look]
