"""The boxes of which AVIF and HEIC files are made, as far as they tell the sides of images before a decoder reads them.

Source: ISO/IEC 14496-12 (boxes), 23008-12 (the property `ispe`).
"""

import struct
from collections.abc import Iterator

ROOM = 4  # bytes of version and flags, with which some boxes begin


def sides(content: bytes) -> Iterator[tuple[int, int]]:
    """Width and height of every image that a file declares, thumbnails among them; of a damaged file, up to the damage."""
    for start, end in _inside(content, 0, len(content), b"meta"):
        for path in _inside(content, start + ROOM, end, b"iprp"):
            for properties in _inside(content, *path, b"ipco"):
                for place, stop in _inside(content, *properties, b"ispe"):
                    if place + ROOM + 8 <= stop:
                        yield struct.unpack_from(">II", content, place + ROOM)


def _inside(content: bytes, start: int, end: int, name: bytes) -> Iterator[tuple[int, int]]:
    """Where the contents of the boxes of that name begin and end, among those that lie between `start` and `end`."""
    while start + 8 <= end:
        length, kind = struct.unpack_from(">I4s", content, start)
        head = 8
        if length == 1 and start + 16 <= end:
            (length,), head = struct.unpack_from(">Q", content, start + 8), 16
        stop = end if length == 0 else min(start + length, end)
        if kind == name:
            yield start + head, stop
        if stop < start + head:
            return
        start = stop
