"""Image files without their metadata: what is odd about a profile, a comment or a text chunk must not cost the pixels."""

import re
import struct
import zlib
from collections.abc import Iterator

ORIENTATION = 0x0112  # the tag of EXIF and of TIFF
# of a TIFF file, the tags that say how pixels are stored; all others describe
STORAGE = (*range(254, 260), 262, 266, 273, *range(277, 285), 284, 292, 293, 317, 320, *range(322, 326), 332, 338, 339)
STORAGE += (347, *range(512, 522), *range(529, 533))
MARKER = re.compile(rb"\xff[\xc0-\xfe]")  # of a JPEG
PADDING = re.compile(rb"\xff+(?=\xff)")
EXIF_ITEM = re.compile(rb"(infe[\2\3].{7}(?:..)?)Exif", re.DOTALL)  # in the list of what an AVIF or HEIC file holds
SMALL = 2**16  # bytes; a larger text says more than the orientation


def without_metadata(content: bytes) -> Iterator[bytes]:
    """The same image file without metadata: at first all but what may give the orientation, then that as well.

    What decides pixels stays as it is, byte for byte: a file whose pixels are cut off stays cut off. Nothing is yielded for
    other formats than PNG, JPEG, TIFF, AVIF and HEIC, and for a file whose structure cannot be followed. Takes time in
    proportion to the length of the file, whatever it holds.
    """
    strip = next((strip for start, strip in STRIP.items() if content.startswith(start)), None)
    strip = _items if content[4:8] == b"ftyp" else strip
    before = content
    for orientation in (True, False):
        try:
            stripped = strip(content, orientation) if strip else content
        except (struct.error, IndexError, OverflowError):  # an offset or a length that leads nowhere
            return
        if stripped != before:
            yield stripped
        before = stripped


def _png(content: bytes, orientation: bool) -> bytes:
    """Keep the chunks that are critical, and transparency; CRCs stay with their chunks, so wrong ones are seen."""
    parts, place = [content[:8]], 8
    while place < len(content):
        length, name = struct.unpack_from(">I4s", content, place)
        chunk = content[place : place + 12 + length]
        if not name[0] & 0x20 or name == b"tRNS" or (orientation and _tells_orientation(name, chunk)):
            parts.append(chunk)
        if name == b"IEND":
            break
        place += len(chunk)
    return b"".join(parts)


def _tells_orientation(name: bytes, chunk: bytes) -> bool:
    if len(chunk) > SMALL or zlib.crc32(chunk[4:-4]) != struct.unpack(">I", chunk[-4:])[0]:
        return False
    return name == b"eXIf" or chunk[8:].startswith((b"XML:com.adobe.xmp\0", b"Raw profile type exif\0"))


def _jpeg(content: bytes, orientation: bool) -> bytes:
    """Keep the segments up to the first scan that are needed to decode it, and all that follows."""
    parts, place = [content[:2]], 2
    while content[place] == 0xFF and content[place + 1] != 0xDA:
        if padding := PADDING.match(content, place):
            place = padding.end()
            continue
        marker = content[place + 1]
        length = struct.unpack_from(">H", content, place + 2)[0]
        segment = content[place : place + 2 + max(length, 2)]
        describes = 0xE0 <= marker <= 0xEF or marker == 0xFE
        if not describes or _decides_colour(segment) or (orientation and _is_exif(segment)):
            parts.append(segment)
        place += len(segment)
        if length < 2 and describes:  # a length that cannot be: go on at the next marker
            following = MARKER.search(content, place)
            place = following.start() if following else len(content)
    return b"".join([*parts, content[place:]])


def _decides_colour(segment: bytes) -> bool:
    """JFIF and Adobe segments, those that are whole."""
    return (segment[4:9] == b"JFIF\0" and len(segment) >= 16) or (segment[4:9] == b"Adobe" and len(segment) >= 14)


def _is_exif(segment: bytes) -> bool:
    return segment[1] == 0xE1 and segment[4:].startswith((b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"))


def _tiff(content: bytes, orientation: bool) -> bytes:
    """Keep the tags of the first image that say how pixels are stored; offsets stay valid, since no byte is moved."""
    order, big = "<" if content[:1] == b"I" else ">", content[2:4] in (b"+\0", b"\0+")
    start, count, entry, after = ("Q", "Q", 20, "Q") if big else ("I", "H", 12, "I")
    (place,) = struct.unpack_from(order + start, content, 8 if big else 4)
    (number,) = struct.unpack_from(order + count, content, place)
    if number * entry > len(content):
        raise IndexError("it has more tags than bytes")
    first = place + struct.calcsize(order + count)
    entries = [content[first + n * entry : first + (n + 1) * entry] for n in range(number)]
    kept = [one for one in entries if _stays(struct.unpack_from(order + "HHI", one), orientation)]
    table = struct.pack(order + count, len(kept)) + b"".join(kept) + struct.pack(order + after, 0)
    return content[:place] + table + content[place + len(table) :]


def _stays(entry: tuple[int, int, int], orientation: bool) -> bool:
    tag, kind, _ = entry
    return tag in STORAGE or (orientation and tag == ORIENTATION and kind == 3)


def _items(content: bytes, orientation: bool) -> bytes:
    """Give the item of EXIF a type that no decoder knows; the orientation is in a box of its own."""
    return EXIF_ITEM.sub(rb"\1none", content[:SMALL]) + content[SMALL:]


STRIP = {
    b"\x89PNG\r\n\x1a\n": _png,
    b"\xff\xd8\xff": _jpeg,
    b"II*\0": _tiff,
    b"MM\0*": _tiff,
    b"II+\0": _tiff,
    b"MM\0+": _tiff,
}
