import struct

import numpy as np
import pytest
from PIL import Image

from ajuste_fino.data import images
from ajuste_fino.data.content import BadImage, ImageBytes
from ajuste_fino.data.images import load_image


def pixel(image, x=0, y=0):
    assert image.mode == "RGB"
    return image.getpixel((x, y))


MODES = [
    # mode, value of the one colour, what it must be as RGB
    ("1", 1, (255, 255, 255)),
    ("L", 100, (100, 100, 100)),
    ("LA", (100, 0), (255, 255, 255)),
    ("LA", (100, 255), (100, 100, 100)),
    ("RGB", (10, 20, 30), (10, 20, 30)),
    ("RGBA", (10, 20, 30, 0), (255, 255, 255)),
    ("RGBA", (0, 0, 0, 51), (204, 204, 204)),
    ("CMYK", (0, 255, 255, 0), (255, 0, 0)),
    ("I;16", 257 * 90, (90, 90, 90)),
    ("I", 65535, (255, 255, 255)),
]


@pytest.mark.parametrize(("mode", "value", "rgb"), MODES)
def test_modes_from_a_file(tmp_path, mode, value, rgb):
    path = tmp_path / ("x.tif" if mode in ("CMYK", "I") else "x.png")
    Image.new(mode, (4, 3), value).save(path)
    assert pixel(load_image(path)) == rgb


@pytest.mark.parametrize(("value", "grey"), [(0.5, 128), (1.0, 255), (200.0, 200), (65535.0, 255)])
def test_floating_point_by_its_range(tmp_path, value, grey):
    Image.new("F", (2, 2), value).save(tmp_path / "x.tif")
    assert pixel(load_image(tmp_path / "x.tif")) == (grey,) * 3


def test_palette_transparency_is_white(tmp_path):
    palette = Image.new("P", (2, 2), 0)
    palette.putpalette([200, 0, 0])
    palette.save(tmp_path / "x.png", transparency=0)
    assert pixel(load_image(tmp_path / "x.png")) == (255, 255, 255)


@pytest.mark.parametrize(
    ("orientation", "corner"), list(enumerate([(0, 0), (1, 0), (1, 1), (0, 1), (0, 0), (1, 0), (1, 1), (0, 1)], start=1))
)
def test_exif_orientation(tmp_path, orientation, corner):
    stored = np.zeros((20, 40, 3), np.uint8)
    stored[:10, :10] = 255  # the mark lies at the top left of what is stored
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(tmp_path / "x.png", exif=exif)
    seen = load_image(tmp_path / "x.png")
    assert seen.size == ((40, 20) if orientation < 5 else (20, 40))
    place = (corner[0] * (seen.width - 1), corner[1] * (seen.height - 1))
    assert pixel(seen, *place) == (255, 255, 255)


def test_the_first_frame_of_an_animation(tmp_path):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:])
    assert pixel(load_image(tmp_path / "x.gif")) == (255, 0, 0)


def broken(tmp_path, kind):
    path = tmp_path / "x.jpg"
    if kind == "text":
        path.write_text("<html>not found</html>")
    elif kind == "empty":
        path.touch()
    elif kind == "truncated":
        Image.new("RGB", (200, 200), "red").save(path)
        path.write_bytes(path.read_bytes()[:700])
    elif kind == "disguised":
        Image.new("RGB", (9, 9)).save(path, format="EPS")
    elif kind == "folder":
        path.mkdir()
    return path


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("text", "none of JPEG"),
        ("empty", "empty file"),
        ("truncated", "truncated"),
        ("disguised", "none of JPEG"),
        ("folder", "not a regular"),
    ],
)
def test_what_is_no_image_says_why(tmp_path, kind, reason):
    with pytest.raises(BadImage, match=reason):
        load_image(broken(tmp_path, kind))


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    Image.new("1", (3000, 3000)).save(tmp_path / "x.png")
    monkeypatch.setattr(images, "MAX_PIXELS", 1_000_000)
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("it was decoded"))
    with pytest.raises(BadImage, match="more than 1,000,000"):
        load_image(tmp_path / "x.png")


@pytest.mark.parametrize("side", [10_001, 20_000, 60_000])
@pytest.mark.parametrize("suffix", ["ppm", "gif", "bmp"])
def test_bombs_of_any_size_are_refused_in_the_same_words(side, suffix):
    """Pillow has a limit of its own, twice as high."""
    content = {
        "ppm": b"P5 %d %d 255\n" % (side, side) + bytes(99),
        "gif": b"GIF89a"
        + struct.pack("<HHBBB", side, side, 0, 0, 0)
        + b","
        + struct.pack("<HHHHB", 0, 0, side, side, 0)
        + b"\2\0;",
        "bmp": b"BM" + struct.pack("<IIIIiiHHIIiiII", 99, 0, 54, 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0) + bytes(45),
    }[suffix]
    with images.quiet(), pytest.raises(BadImage, match=r"pixels are more than 100,000,000$"):
        images.read_image(ImageBytes(content, "x"))
