"""Odd metadata costs no pixels; damaged pixels stay refused."""

import io
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from ajuste_fino.data.content import BadImage, ImageBytes
from ajuste_fino.data.images import load_image, read_image
from tests.conftest import draw

PIXELS = np.asarray(draw(1, 0))


def saved(kind, image=None, **options):
    buffer = io.BytesIO()
    (image or draw(1, 0)).save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(name, data, crc=None):
    crc = zlib.crc32(name + data) if crc is None else crc
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc)


def png(name, data, crc=None, late=False):
    """A PNG with one more chunk before its pixels, or after them."""
    content = saved("PNG")
    place = len(content) - 12 if late else 33
    return content[:place] + chunk(name, data, crc) + content[place:]


def jpeg(*segments):
    content = saved("JPEG")
    return content[:2] + b"".join(segments) + content[2:]


def segment(marker, data, length=None):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(data) + 2 if length is None else length) + data


def tiff(tag, kind, count, value):
    """An uncompressed TIFF with one more tag; its directory is written anew at the end."""
    content = saved("TIFF")
    (place,) = struct.unpack_from("<I", content, 4)
    (number,) = struct.unpack_from("<H", content, place)
    entries = [content[place + 2 + 12 * n : place + 14 + 12 * n] for n in range(number)]
    entries = sorted([*entries, struct.pack("<HHII", tag, kind, count, value)], key=lambda one: struct.unpack("<H", one[:2]))
    table = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    return content[:4] + struct.pack("<I", len(content)) + content[8:] + table


HUGE = zlib.compress(bytes(2 * PngImagePlugin.MAX_TEXT_CHUNK))
ODD = {
    "png huge profile": png(b"iCCP", b"x\0\0" + HUGE),
    "png profile of another method": png(b"iCCP", b"x\0\7" + HUGE[:99]),
    "png profile cut off": png(b"iCCP", b"x"),
    "png huge text": png(b"zTXt", b"note\0\0" + HUGE),
    "png huge text behind the pixels": png(b"zTXt", b"note\0\0" + HUGE, late=True),
    "png huge xmp": png(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + HUGE),
    "png wrong crc": png(b"tEXt", b"a\0b", crc=1),
    "png wrong crc of exif": png(b"eXIf", b"MM\0*", crc=1),
    "png resolution cut off": png(b"pHYs", b"\0"),
    "png gamma cut off": png(b"gAMA", b"\0"),
    "png animation without frames": png(b"acTL", bytes(8)),
    "png many texts": png(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**6)))[:-12]
    + b"".join(chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**6))) for _ in range(70))
    + chunk(b"IEND", b""),
    "png exif of nonsense": png(b"eXIf", b"nonsense"),
    "jpeg exif cut off": jpeg(segment(0xE1, b"Exif\0\0MM\0*\0\0")),
    "jpeg exif of nonsense": jpeg(segment(0xE1, b"Exif\0\0" + bytes(range(60)))),
    "jpeg photoshop cut off": jpeg(segment(0xED, b"Photoshop 3.0\x008BIM\3\xed")),
    "jpeg resolution cut off": jpeg(segment(0xE0, b"JFIF\0")),
    "jpeg profile cut off": jpeg(segment(0xE2, b"ICC_PROFILE\0")),
    "jpeg other images of nonsense": jpeg(segment(0xE2, b"MPF\0II*\0\x08\0\0\0\xff\xff")),
    "jpeg adobe cut off": jpeg(segment(0xEE, b"Adobe")),
    "jpeg impossible length": jpeg(segment(0xE5, b"", length=0)),
    "jpeg xmp of nonsense": jpeg(segment(0xE1, b'http://ns.adobe.com/xap/1.0/\0<tiff:Orientation="\xff"')),
    "tiff resolution of text": tiff(282, 2, 4, 0x41414141),
    "tiff profile beyond the end": tiff(34675, 7, 10**9, 8),
    "tiff unknown type": tiff(60000, 99, 3, 8),
    "tiff xmp as doubles": tiff(700, 12, 3, 8),
    "tiff exif beyond the end": tiff(34665, 4, 1, 10**9),
    "tiff orientation of text": tiff(274, 2, 4, 0x36363636),
    "gif comment": saved("GIF", comment=b"\xff" * 1000),
    "webp exif of nonsense": saved("WEBP", exif=b"Exif\0\0nonsense", lossless=True),
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_metadata_costs_no_pixels(kind):
    seen = np.asarray(read_image(ImageBytes(ODD[kind], kind))[1])
    plain = {"png": "PNG", "jpe": "JPEG", "tif": "TIFF", "gif": "GIF"}.get(kind[:3])
    assert np.array_equal(seen, np.asarray(read_image(ImageBytes(saved(plain), "x"))[1]) if plain else PIXELS)


@pytest.mark.parametrize("kind", [kind for kind in ODD if kind[:3] in ("png", "jpe", "tif")])
def test_with_odd_metadata_truncated_pixels_stay_refused(kind):
    content = ODD[kind]
    if kind.startswith("tiff"):  # whose pixels end before its tags begin: they are said to begin further down
        place = content.rindex(struct.pack("<HHI", 273, 4, 1)) + 8
        damaged = content[:place] + struct.pack("<I", len(content) - 400) + content[place + 4 :]
    else:
        place = content.find(b"IDAT") + 900 if kind.startswith("png") else content.rfind(b"\xff\xda") + 200
        damaged = content[:place]
    with pytest.raises(BadImage):
        read_image(ImageBytes(damaged, kind))


@pytest.mark.parametrize("name", [b"IHDR", b"PLTE", b"tRNS"])
def test_a_wrong_sum_of_what_decides_pixels_is_refused(name):
    image = draw(1, 0).quantize(8)
    content = saved("PNG", image, transparency=0)
    place = content.index(name)
    length = struct.unpack(">I", content[place - 4 : place])[0]
    bad = content[: place + 4 + length] + b"\0\0\0\0" + content[place + 8 + length :]
    with pytest.raises(BadImage):
        read_image(ImageBytes(bad, "x"))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_the_orientation_stays_where_other_metadata_cannot_be_read(kind):
    exif = Image.Exif()
    exif[0x0112] = 6
    content = saved(kind, Image.new("RGB", (40, 20)), exif=exif)
    odd = {
        "PNG": lambda: content[:33] + chunk(b"iCCP", b"x") + content[33:],
        "JPEG": lambda: content[:2] + segment(0xED, b"Photoshop 3.0\x008BIM\3\xed") + content[2:],
        "TIFF": lambda: content,
    }[kind]()
    assert read_image(ImageBytes(odd, "x"))[1].size == (20, 40)


def test_nothing_of_pillow_is_changed_for_others():
    before = (PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY, Image.MAX_IMAGE_PIXELS)
    read_image(ImageBytes(ODD["png huge text"], "x"))
    assert before == (PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY, Image.MAX_IMAGE_PIXELS)
    with pytest.raises(ValueError, match="too large"):
        Image.open(io.BytesIO(ODD["png huge text"]))


@pytest.mark.parametrize("options", [{}, {"exif": b"Exif\0\0"}, {"progressive": True}])
def test_a_phones_jpeg_is_a_jpeg(tmp_path, options):
    path = tmp_path / "x.jpg"
    draw(1, 0).save(path, "MPO", save_all=True, append_images=[draw(0, 3)], **options)
    stored, seen = read_image(ImageBytes(path.read_bytes(), "x"))
    assert stored.format == "JPEG"
    assert np.abs(np.asarray(seen).astype(int) - PIXELS).mean() < 25
    assert load_image(path, 16).size <= (40, 40)


@pytest.mark.parametrize("offset", [0, 7, 10**6, 2**63, 2**64 - 1])
def test_a_directory_that_lies_nowhere_is_refused_for_what_it_is(offset):
    with pytest.raises(BadImage) as bad:
        read_image(ImageBytes(b"II+\0\x08\0\0\0" + struct.pack("<Q", offset) + bytes(40), "x.tif"))
    assert "Python int" not in bad.value.reason


LONG = 2_000_000  # bytes
HOSTILE = {
    "jpeg lengths of 0, then noise": b"\xff\xd8\xff\xe0\0\0" + b"\xff\xe0\0\0" * (LONG // 44) + b"\1" * (LONG * 40 // 44),
    "jpeg lengths of 0": b"\xff\xd8\xff" + b"\xff\xe0\0\0" * (LONG // 4),
    "jpeg lengths of 1 in noise": b"\xff\xd8\xff" + (b"\xff\xfe\0\1" + b"\1" * 40) * (LONG // 44),
    "jpeg lengths of 0 of what decides pixels": b"\xff\xd8\xff" + b"\xff\xc0\0\0" * (LONG // 4),
    "jpeg padding": b"\xff\xd8" + b"\xff" * LONG,
    "jpeg padding between segments": b"\xff\xd8" + b"\xff\xff\xe0\0\2" * (LONG // 5),
    "png empty chunks": b"\x89PNG\r\n\x1a\n" + chunk(b"tEXt", b"") * (LONG // 12),
    "png empty exif": b"\x89PNG\r\n\x1a\n" + chunk(b"eXIf", b"") * (LONG // 12),
    "png zeros": b"\x89PNG\r\n\x1a\n" + bytes(LONG),
    "tiff tags": b"II*\0\x08\0\0\0\xff\xff" + struct.pack("<HHII", 254, 3, 1, 1) * 65535,
    "tiff overlapping tags": b"II*\0\x08\0\0\0\xff\xff" + struct.pack("<HHII", 700, 1, 700_000, 8) * 65535,
    "tiff directory that follows itself": b"II*\0\x08\0\0\0\0\0\x08\0\0\0" + bytes(LONG),
    "bigtiff tags": b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, LONG // 20) + struct.pack("<HHQQ", 254, 3, 1, 1) * (LONG // 20),
    "jp2 empty boxes": b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0\0\0\x08free" * (LONG // 8),
    "j2k empty markers": b"\xff\x4f\xff\x51"
    + struct.pack(">HHIIIIIIIIH", 41, 0, 9, 9, *bytes(6), 1)
    + b"\xff\x63\0\2" * (LONG // 4),
    "avif empty boxes": b"\0\0\0\x10ftypavif\0\0\0\0" + b"\0\0\0\x08free" * (LONG // 8),
    "avif empty metas": b"\0\0\0\x10ftypavif\0\0\0\0" + b"\0\0\0\x0cmeta\0\0\0\0" * (LONG // 12),
    "heic empty boxes": b"\0\0\0\x10ftypheic\0\0\0\0" + b"\0\0\0\x08free" * (LONG // 8),
    "bigtiff tags without number": b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 2**63) + bytes(LONG),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_metadata_cost_no_time(kind):
    """A second for 2 MB, of the processor alone: what is quadratic takes minutes."""
    start = time.process_time()
    with pytest.raises(BadImage):
        read_image(ImageBytes(HOSTILE[kind], kind))
    assert time.process_time() - start < 2
