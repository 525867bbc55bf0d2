"""AVIF, JPEG 2000 and HEIC, by the rules that hold for all formats; HEIC needs a library that may be missing."""

import contextlib
import io
import struct
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from ajuste_fino.data import heif, images
from ajuste_fino.data.config import DataConfig
from ajuste_fino.data.content import BadImage, ImageBytes
from ajuste_fino.data.images import load_image, read_image
from ajuste_fino.data.inputs import sources
from ajuste_fino.data.inspection import inspect_folder
from ajuste_fino.data.kinds import image_format
from ajuste_fino.data.scan import scan
from ajuste_fino.errors import UserError
from ajuste_fino.predict import no_progress
from tests.conftest import draw
from tests.data.test_golden_pixels import COLOUR, GREY, STORED
from tests.data.test_traps import found

HERE = heif.is_installed()
needs_heif = pytest.mark.skipif(not HERE, reason="pillow-heif is not installed")
FORMATS = ["AVIF", "JPEG2000", pytest.param("HEIF", marks=needs_heif)]
BOXED = ["AVIF", pytest.param("HEIF", marks=needs_heif)]
SUFFIXES = {"AVIF": "avif", "JPEG2000": "jp2", "HEIF": "heic"}
SIZ, SIDES = b"\xff\x4f\xff\x51", 8  # of a codestream; where its sides are


def saved(image, format, **options):
    """A file, without loss where the format can."""
    buffer = io.BytesIO()
    if format != "HEIF":
        image.save(buffer, format, **({"quality": 100, "subsampling": "4:4:4"} if format == "AVIF" else {}), **options)
        return buffer.getvalue()
    from pillow_heif import from_pillow

    from_pillow(image).save(buffer, quality=-1, chroma=444, matrix_coefficients=0, **options)
    return buffer.getvalue()


def read(content):
    return read_image(ImageBytes(content, "x"))


def seen(content):
    return np.asarray(read(content)[1]).astype(int)


def declared(content, width, height):
    """The file with other sides in its headers; the pixels stay."""
    for name in (b"ispe", b"ihdr", SIZ):
        place = -1
        while (place := content.find(name, place + 1)) >= 0:
            start = place + (8 if name in (b"ispe", SIZ) else 4)
            sides = (height, width) if name == b"ihdr" else (width, height)
            content = content[:start] + struct.pack(">II", *sides) + content[start + 8 :]
    return content


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_modes_and_alpha(format, mode):
    alpha = np.where(np.arange(72) < 36, 255, 0).repeat(48).reshape(72, 48).T.astype(np.uint8)
    image = Image.fromarray({"L": GREY, "R": COLOUR}[mode[0]])
    if mode.endswith("A"):
        image.putalpha(Image.fromarray(alpha))
    header, pixels = read(saved(image, format))
    assert (header.format, header.width, header.height, pixels.mode) == (format, 72, 48, "RGB")
    golden = np.where(alpha[..., None] > 0, load(image.convert(mode[0:3].rstrip("A"))), 255) if "A" in mode else load(image)
    inner = np.abs(np.asarray(pixels).astype(int) - golden)[:, [*range(30), *range(44, 72)]]  # lossy beside the edge of alpha
    assert inner.max() <= (0 if format == "JPEG2000" else 8)
    assert inner.mean() < 2


def load(image):
    return np.asarray(load_image(image)).astype(int)


@pytest.mark.parametrize("format", BOXED)
@pytest.mark.parametrize("orientation", STORED)
def test_orientations_are_applied_once(format, orientation):
    image, exif = Image.fromarray(COLOUR), Image.Exif()
    exif[0x0112] = orientation
    stored = image if STORED[orientation] is None else image.transpose(STORED[orientation])
    pixels = seen(saved(stored, format, exif=exif.tobytes()))
    assert pixels.shape == COLOUR.shape
    assert np.abs(pixels - COLOUR).mean() < 2


@pytest.mark.parametrize("format", BOXED)
def test_the_container_alone_says_which_way_is_up(format):
    """EXIF and XMP beside it may be left from before a program turned the pixels."""
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="1"/></x:xmpmeta>'
    image, exif = Image.new("RGB", (72, 48), "red"), Image.Exif()
    content = saved(image, format, xmp=xmp)
    assert content.count(b'Orientation="1"') == 1
    assert read(content.replace(b'Orientation="1"', b'Orientation="6"'))[1].size == (72, 48)
    exif[0x010E], exif[0x0112] = "x" * 40, 1
    content = saved(image, format, exif=exif.tobytes())
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, 1, 0)
    if entry in content:  # Pillow leaves it out of AVIF
        content = content.replace(entry, struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0))
        assert read(content)[1].size == (72, 48)


def test_metadata_of_nonsense_costs_an_avif_no_pixels():
    exif = Image.Exif()
    exif[0x010E], exif[0x0112] = "x" * 40, 6
    content = saved(Image.new("RGB", (72, 48)), "AVIF", exif=exif)
    odd = content.replace(b"MM\0*\0\0\0\x08", b"nonsense")
    assert odd != content
    assert read(odd)[1].size == (48, 72)


def test_the_first_frame_of_an_animated_avif():
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue", "blue")]
    content = saved(frames[0], "AVIF", save_all=True, append_images=frames[1:])
    assert content[8:12] == b"avis"
    assert np.abs(seen(content) - (255, 0, 0)).max() < 8


@needs_heif
def test_the_main_image_of_a_heic_and_no_thumbnail():
    from pillow_heif import from_pillow

    file, buffer = from_pillow(Image.new("RGB", (640, 480), "red")), io.BytesIO()
    file.add_from_pillow(Image.new("RGB", (64, 64), "blue"))
    file.save(buffer, primary_index=1)
    assert np.abs(seen(buffer.getvalue()) - (0, 0, 255)).max() < 8
    content = saved(Image.new("RGB", (640, 480), "red"), "HEIF", thumbnails=[160])
    assert read_image(ImageBytes(content, "x"), min_size=20)[1].size == (640, 480)


@needs_heif
@pytest.mark.parametrize("bits", [10, 12])
def test_more_bits_of_a_heic_are_read_as_eight(bits):
    from pillow_heif import encode

    buffer, values = io.BytesIO(), (GREY.astype(np.uint16) * 257)[..., None].repeat(3, axis=2)
    encode("RGB;16", (72, 48), values.tobytes(), buffer, quality=-1, chroma=444, save_to_12bit=bits == 12)
    header, pixels = read_image(ImageBytes(buffer.getvalue(), "x"), depth=12)
    assert header.values is None
    assert np.abs(np.asarray(pixels)[..., 0].astype(int) - GREY).max() <= 4


BRANDS = [
    (b"avif", b"mif1", "AVIF"),
    (b"avis", b"msf1", "AVIF"),
    (b"mif1", b"avif", "AVIF"),
    (b"mif1", b"miafavif", "AVIF"),
    (b"msf1", b"avis", "AVIF"),
    (b"heic", b"mif1", "HEIF"),
    (b"heix", b"", "HEIF"),
    (b"hevc", b"", "HEIF"),
    (b"mif1", b"heic", "HEIF"),
    (b"msf1", b"hevc", "HEIF"),
    (b"isom", b"avif", None),
    (b"crx ", b"", None),
]


@pytest.mark.parametrize(("major", "others", "format"), BRANDS)
def test_brands(major, others, format):
    start = struct.pack(">I", 16 + len(others)) + b"ftyp" + major + bytes(4) + others
    assert image_format(start.ljust(32, b"\0")) == format


@pytest.mark.parametrize("format", BOXED)
def test_a_general_brand_before_the_own_one(format):
    content = saved(Image.fromarray(COLOUR), format)
    assert content[8:12] in content[16:32]
    content = content[:8] + b"mif1" + content[12:]
    assert np.abs(seen(content) - COLOUR).mean() < 2


@pytest.mark.parametrize("options", [{}, {"no_jp2": True}])
def test_both_kinds_of_jpeg_2000(options):
    assert np.array_equal(seen(saved(Image.fromarray(COLOUR), "JPEG2000", **options)), COLOUR)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(("width", "height"), [(30_000, 30_000), (11_000, 11_000), (60_000, 60_000), (2, 200_000_000)])
def test_bombs_are_refused_by_what_they_declare(format, width, height, monkeypatch):
    content = declared(saved(Image.new("RGB", (64, 64)), format), width, height)
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("it was decoded"))
    with images.quiet(), pytest.raises(BadImage, match=r"pixels are more than 100,000,000$"):
        read(content)


@pytest.mark.parametrize("format", FORMATS)
def test_sides_of_the_pixels_themselves_count_too(format, monkeypatch):
    content = declared(saved(Image.new("RGB", (640, 640)), format), 64, 64)
    monkeypatch.setattr(images, "MAX_PIXELS", 400_000)
    assert len(seen(saved(Image.new("RGB", (600, 640)), format))) == 640
    with contextlib.suppress(BadImage):
        assert read(content)[1].size == (64, 64)  # AVIF is scaled to what is declared


def damaged(content, n):
    rng = np.random.default_rng(n)
    out = bytearray(content)
    for _ in range(rng.integers(1, 20)):
        out[rng.integers(len(out) // (1 + n % 2 * 4))] ^= 1 << int(rng.integers(8))
    return bytes(out[: rng.integers(len(out))] if n % 3 == 0 else out)


@pytest.mark.parametrize("format", FORMATS)
def test_damaged_files_are_read_or_refused_with_a_reason(format):
    content, refused = saved(draw(1, 0), format), 0
    for n in range(150):
        try:
            assert read(damaged(content, n))[1].mode == "RGB"
        except BadImage as bad:
            refused += 1
            assert (bad.path, bad.reason[0] not in "<(", len(bad.reason) > 12) == ("x", True, True), bad.reason
    assert refused > 50


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_what_is_cut_off_is_refused(format, share):
    content = saved(Image.fromarray(COLOUR), format)
    with pytest.raises(BadImage):
        read(content[: int(len(content) * share)])


@pytest.mark.parametrize("format", FORMATS)
def test_folders_tables_and_predictions_know_them(photos, format, tmp_path):
    suffix = SUFFIXES[format]
    for n, name in enumerate((f"new.{suffix}", f"new.{suffix.upper()}x", "lies.jpg", "silent")):
        (photos / "1" / name).write_bytes(saved(draw(1, 60 + n), format))
    there = found(photos)
    assert there["disguised formats"].files == [f"1/lies.jpg: {format}"]
    assert "files that are no images" not in there and "undecodable files" not in there
    assert len(sources(photos / "1")) == 16
    (tmp_path / "t.csv").write_text("file,label\nphotos/1/new,1\nphotos/1/lies.jpg,1\nphotos/2/00.png,2\n")
    with pytest.raises(UserError, match=rf"there with \.{suffix} at its end"):
        scan(tmp_path / "t.csv")


def test_a_heic_without_the_library_names_the_extra(without_heif, photos, caplog):
    content = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
    for name in ("a.heic", "b.jpg"):
        (photos / "1" / name).write_bytes(content)
    extra = r"pip install 'ajuste-fino\[heif\]'"
    with pytest.raises(BadImage, match=extra):
        load_image(photos / "1" / "b.jpg")
    bad = inspect_folder(DataConfig(photos), 0, no_progress).bad["files that are no images"]
    assert [one.reason for one in bad] == [f"HEIC needs the library pillow-heif; {heif.INSTALL}"]
    assert len(sources(photos / "1")) == 13  # as before, a folder for prediction goes on without it, and says so
    assert "a.heic: HEIC needs the library pillow-heif; install it" in caplog.text
    (photos / "phone").mkdir()
    (photos / "phone" / "1.heic").write_bytes(content)
    assert (
        "phone holds 1 HEIC file, which is not read; convert it to JPEG, or for HEIC pip"
        in found(photos)["empty classes"].sentence
    )


def test_the_library_is_imported_for_the_first_heic_alone():
    code = "import sys; from ajuste_fino.data import images, inspection, inputs; print('pillow_heif' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@needs_heif
def test_pillow_itself_does_not_learn_of_heic():
    read(saved(draw(1, 0), "HEIF"))
    assert "HEIF" not in Image.OPEN


VALUES = (np.arange(40 * 40) * 2.55).astype(np.uint16).reshape(40, 40)  # 0 … 4077


def grey_of(bits, values, **options):
    """A JPEG 2000 that declares so many bits; Pillow writes 16, and the level in the middle is 0 in the file."""
    content = saved(Image.fromarray(values + (2**15 - 2 ** (bits - 1)).__int__()), "JPEG2000", **options)
    places = [content.index(SIZ) + 42] + ([content.index(b"ihdr") + 14] if b"ihdr" in content else [])
    for place in places:
        content = content[:place] + bytes([bits - 1]) + content[place + 1 :]
    return content


@pytest.mark.parametrize("options", [{}, {"no_jp2": True}])
@pytest.mark.parametrize(("bits", "depth", "white"), [(12, None, 4095), (12, 12, 4095), (16, 12, 4095), (16, None, 65535)])
def test_bits_that_a_jpeg_2000_declares(bits, depth, white, options):
    header, pixels = read_image(ImageBytes(grey_of(bits, VALUES, **options), "x"), depth=depth)
    assert np.abs(np.asarray(pixels)[..., 0] - VALUES / white * 255).max() <= 1
    assert header.mode == "I;16"
    assert header.values == (0, VALUES.max() * (16 if (bits, depth) == (12, None) else 1))


def test_colour_of_a_jpeg_2000_that_needs_all_its_bits_is_refused():
    content = saved(Image.fromarray(COLOUR), "JPEG2000")
    assert np.array_equal(np.asarray(read_image(ImageBytes(content, "x"), depth=12)[1]), COLOUR)
    place = content.index(SIZ) + 42
    deep = content[:place] + b"\x0f" + content[place + 1 :]
    with pytest.raises(BadImage, match=r"8 of its 16 bits of colour, and data\.depth=12 needs all"):
        read_image(ImageBytes(deep, "x"), depth=12)
    opened = Image.open(io.BytesIO(grey_of(12, VALUES)))
    with pytest.raises(BadImage, match="pass the file itself"):
        read_image(opened, depth=12)
