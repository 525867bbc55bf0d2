"""Images of more than 8 bits: how many are in use, and that a depth is read alike wherever an image is read."""

import io
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from ajuste_fino import bundle, fine_tune, load
from ajuste_fino.data.content import BadImage, ImageBytes, ImageFile
from ajuste_fino.data.images import read_image
from ajuste_fino.data.info import ImageInfo, ImageInfoCache
from ajuste_fino.data.transforms import Preprocessing
from ajuste_fino.features.extractor import identity
from ajuste_fino.files import read_csv
from tests.conftest import draw_folder
from tests.data.test_traps import found

Y, X = np.mgrid[:40, :40]
SMALL = {"workers": 0, "epochs": 2, "backbone": "embedded", "backbone.weights": "none"}


def values(label, seed, top, dtype=np.uint16):
    """Stripes of values that go up to `top`."""
    rng = np.random.default_rng([label, seed])
    wave = np.sin((X if label else Y) / 2 + rng.uniform(0, 6)) / 2 + rng.uniform(0.5, 0.6)
    return (wave / wave.max() * top).clip(0, None).astype(dtype)


def folder(root, tops, suffix="png", dtype=np.uint16, each=8):
    for label, top in enumerate(tops):
        (root / "ab"[label]).mkdir(parents=True)
        for n in range(each):
            Image.fromarray(values(label, n, top, dtype)).save(root / "ab"[label] / f"{n}.{suffix}")
    return root


def colour_png(pixels):
    """(H, W, 2, 3 or 4) → a PNG of 16 bits a channel, which Pillow does not write."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize(("top", "bits"), [(1, 1), (255, 8), (1000, 10), (4095, 12), (4096, 13), (16383, 14), (32767, 15)])
def test_bits_that_are_not_in_use_are_told(tmp_path, top, bits, suffix):
    one = found(folder(tmp_path, (top, top), suffix))["unused bits"]
    assert (one.level, len(one.files)) == ("warning", 16)
    assert f"go up to {top}, {bits} bits of 16; they come out {'nearly black' if bits < 13 else 'darker'}" in one.sentence
    assert f"Pass data.depth={bits} in training" in one.sentence
    assert "unused bits" not in found(tmp_path, depth=bits)


def test_colour_of_16_bits_is_told_as_well(tmp_path):
    folder(tmp_path, (65535, 65535))
    for n in range(8):
        (tmp_path / "a" / f"{n}.png").write_bytes(colour_png(np.stack([values(0, n, 4000)] * 3, 2)))
        (tmp_path / "b" / f"{n}.png").unlink()
        (tmp_path / "b" / f"{n}.png").write_bytes(colour_png(np.stack([values(1, n, 4000)] * 3, 2)))
    assert "12 bits of 16" in found(tmp_path)["unused bits"].sentence


def test_images_of_12_bits_beside_others_of_16(tmp_path):
    one = found(folder(tmp_path, (4095, 65535)))["unused bits"]
    assert "beside 8 with values up to 65535" in one.sentence
    assert all(file.startswith("a/") for file in one.files)


@pytest.mark.parametrize("tops", [(65535, 65535), (40000, 65535)])
def test_whole_range_is_no_trap(tmp_path, tops):
    assert not {"unused bits", "values beyond the depth", "values below 0"} & found(folder(tmp_path, tops)).keys()


def test_8_bits_are_no_trap(tmp_path):
    assert not found(draw_folder(tmp_path, ("a", "b")))


def test_values_beyond_are_told(tmp_path):
    root = folder(tmp_path, (2**20 - 1, 2**20 - 1), "tif", np.int32)
    assert "Pass data.depth=20" in found(root)["values beyond the depth"].sentence
    assert not {"unused bits", "values beyond the depth"} & found(root, depth=20).keys()
    assert "16 images with values above 4095" in found(root, depth=12)["values beyond the depth"].sentence


def test_values_below_zero_are_told(tmp_path):
    root = folder(tmp_path, (3000, 3000), "tif", np.int32)
    Image.fromarray(np.arange(-1024, 576, dtype=np.int32).reshape(40, 40)).save(root / "a" / "0.tif")
    assert found(root)["values below 0"].files == ["a/0.tif: from -1024"]


def test_floating_point_on_several_scales_is_told(tmp_path):
    one = found(folder(tmp_path, (1, 255), "tif", np.float32))["scales of floating point"]
    assert one.files == ["0 to 1: 8, such as a/0.tif", "0 to 255: 8, such as b/0.tif"]


@pytest.mark.parametrize("top", [1, 200, 60000])
def test_floating_point_on_one_scale_is_no_trap(tmp_path, top):
    assert not {"scales of floating point", "unused bits"} & found(folder(tmp_path, (top, top), "tif", np.float32)).keys()


@pytest.mark.parametrize(
    ("tops", "count", "scale"),
    [((1.02, 1.01), 16, 255), ((1, 1.02), 8, 255), ((4095, 4095), 16, 65535), ((0.001, 0.002), 16, 1), ((200, 2), 8, 255)],
)
def test_floating_point_that_comes_out_black_is_told(tmp_path, tops, count, scale):
    one = found(folder(tmp_path, tops, "tif", np.float32))["dark floating point"]
    assert (one.level, len(one.files)) == ("warning", count)
    assert f"read as 0 to {scale}; they come out nearly black" in one.sentence


@pytest.mark.parametrize("tops", [(1, 1), (0.2, 0.9), (40, 255), (9000, 9000)])
def test_floating_point_that_uses_its_scale_is_no_trap(tmp_path, tops):
    assert "dark floating point" not in found(folder(tmp_path, tops, "tif", np.float32))


def test_a_depth_that_has_no_effect_on_floating_point_is_told(tmp_path):
    one = found(folder(tmp_path, (1, 1), "tif", np.float32), depth=12)["depth of floating point"]
    assert "data.depth=12 has no effect on 16 images" in one.sentence
    assert "depth of floating point" not in found(tmp_path)


def test_one_bright_pixel_in_a_folder_does_not_hide_unused_bits(tmp_path):
    folder(tmp_path, (4095, 4095))
    dead = values(0, 0, 4095)
    dead[3, 3] = 65535
    Image.fromarray(dead).save(tmp_path / "a" / "0.png")
    one = found(tmp_path)["unused bits"]
    assert (len(one.files), "beside 1 with values up to 65535" in one.sentence) == (15, True)


@pytest.mark.parametrize("depth", [1, 8, 10, 12, 14, 16])
@pytest.mark.parametrize("kind", ["grey", "colour", "alpha", "grey and alpha", "grey.tif", "int32.tif"])
def test_values_up_to_the_depth_are_black_to_white(tmp_path, kind, depth):
    top = 2**depth - 1
    stored = np.stack([values(n % 2, n, top).astype(int) for n in range(4)], 2)
    stored[..., 3] = 65535
    if kind == "grey and alpha":
        stored[..., 1] = stored[..., 2] = stored[..., 0]
        content = colour_png(stored[..., [0, 3]])
    elif kind in ("colour", "alpha"):
        content = colour_png(stored if kind == "alpha" else stored[..., :3])
    else:
        stored[..., 1] = stored[..., 2] = stored[..., 0]
        path = tmp_path / f"x.{kind.partition('.')[2] or 'png'}"
        Image.fromarray(stored[..., 0].astype(np.int32 if "int" in kind else np.uint16)).save(path)
        content = path.read_bytes()
    seen = np.asarray(read_image(ImageBytes(content, "x"), None, depth)[1]).astype(float)
    assert np.abs(seen - stored[..., :3] * 255 / top).max() <= 0.501
    if depth == 16 and "colour" not in kind and "alpha" not in kind:
        assert np.array_equal(seen, np.asarray(read_image(ImageBytes(content, "x"))[1]))


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize(("alpha", "grey"), [(0, 255), (0x8000, 127), (0xFFFF, 0), (4095, 240)])
def test_a_depth_is_none_of_alpha(channels, alpha, grey):
    pixels = np.zeros((8, 8, channels), int)
    pixels[..., -1] = alpha
    for depth in (None, 8, 12, 16):
        seen = np.asarray(read_image(ImageBytes(colour_png(pixels), "x"), None, depth)[1])
        assert np.unique(seen) == [grey]


def test_unused_bits_of_grey_with_alpha_are_read_as_advised(tmp_path):
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for n in range(8):
            grey = values(label == "b", n, 255)
            (tmp_path / label / f"{n}.png").write_bytes(colour_png(np.stack([grey, np.full_like(grey, 65535)], 2)))
    assert "Pass data.depth=8 in training" in found(tmp_path)["unused bits"].sentence
    assert not found(tmp_path, depth=8)
    seen = read_image(ImageFile(tmp_path / "a" / "0.png"), None, 8)[1]
    assert np.array_equal(np.asarray(seen)[..., 0], values(False, 0, 255))


def tiff(pixels, order="<", photometric=2, extra=None, deflate=False, planes=False):
    """(H, W, channels) of 16 bits → a TIFF, which Pillow does not write."""
    height, width, channels = pixels.shape
    parts = [part.astype(f"{order}u2").tobytes() for part in (pixels.transpose(2, 0, 1) if planes else [pixels])]
    parts = [zlib.compress(part) for part in parts] if deflate else parts
    content = (b"II*\0" if order == "<" else b"MM\0*") + bytes(4) + b"".join(parts)
    content += bytes(len(content) % 2)
    starts = [8 + sum(map(len, parts[:n])) for n in range(len(parts))]

    def entry(tag, kind, *values):
        nonlocal content
        packed = struct.pack(f"{order}{len(values)}{kind}", *values)
        if len(packed) > 4:
            packed, content = struct.pack(f"{order}I", len(content)), content + packed
        return struct.pack(f"{order}HHI", tag, 3 if kind == "H" else 4, len(values)) + packed.ljust(4, b"\0")

    entries = [
        *(entry(256, "I", width), entry(257, "I", height), entry(258, "H", *[16] * channels)),
        *(entry(259, "H", 8 if deflate else 1), entry(262, "H", photometric), entry(273, "I", *starts)),
        *(entry(277, "H", channels), entry(278, "I", height), entry(279, "I", *map(len, parts))),
        *([entry(284, "H", 2)] if planes else []),
        *([] if extra is None else [entry(338, "H", extra)]),
    ]
    directory = struct.pack(f"{order}H", len(entries)) + b"".join(entries) + bytes(4)
    return content[:4] + struct.pack(f"{order}I", len(content)) + content[8:] + directory


KINDS = {"rgb": (3, 2, None), "rgba": (4, 2, 2), "rgbx": (4, 2, 0), "cmyk": (4, 5, None)}


@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", KINDS)
def test_colour_of_16_bits_in_a_tiff(kind, order, deflate):
    channels, photometric, extra = KINDS[kind]
    stored = np.stack([values(n % 2, n, 4095).astype(int) for n in range(channels)], 2)
    stored[..., 3:] = 0 if kind == "cmyk" else 65535
    content = tiff(stored, order, photometric, extra, deflate)
    wanted = stored[..., :3] * 255 / 4095
    header, seen = read_image(ImageBytes(content, "x"), None, 12)
    assert header.values[1] == 4095
    assert np.abs(np.asarray(seen) - (255 - wanted if kind == "cmyk" else wanted)).max() <= 0.501


def test_the_black_ink_of_16_bits_has_a_range():
    ink = np.zeros((40, 40, 4), int)
    ink[..., 3] = 4000
    assert read_image(ImageBytes(tiff(ink, photometric=5), "x"))[0].values == (0, 4095)


@pytest.mark.parametrize(
    ("options", "depths"), [({"planes": True}, (None, 12)), ({"planes": True, "deflate": True}, (12,)), ({"extra": 1}, (12,))]
)
def test_what_pillow_reads_wrongly_is_refused(options, depths):
    content = tiff(np.full((40, 40, 4), 1000), **options)
    for depth in depths:
        with pytest.raises(BadImage, match="cannot be read"):
            read_image(ImageBytes(content, "x"), None, depth)
    if None not in depths:
        assert read_image(ImageBytes(content, "x"))[0].mode == "RGBA"


@pytest.mark.parametrize("values", [None, (0.0, 4095.0), (-1024.0, 3.5e-07), (0.0, 1e38), (float("-inf"), float("inf"))])
def test_an_info_is_read_as_it_was_written(own_cache, values):
    info = ImageInfo("TIFF", "I;16", 3, 4, values, "-")
    for depth in (None, 12):
        with ImageInfoCache(depth) as cache:
            cache.update({f"{depth or 0:064x}": info})
        assert f"{depth or 0:064x}" in ImageInfoCache(depth)
        assert ImageInfoCache(depth)[f"{depth or 0:064x}"] == info
    assert f"{12:064x}" not in ImageInfoCache()


@pytest.mark.parametrize(
    "values", ["1..2:3.0", "e:1.0", "1.0:-", "--1.0:2.0", "1e:2e+", "+:.", "1.0:2.0.", "1-2:3", "-nan:0", "٣..:1"]
)
def test_an_info_of_a_damaged_line_is_forgotten(own_cache, values):
    with ImageInfoCache() as cache:
        cache.update({f"{n:064x}": ImageInfo("TIFF", "F", 3, 4, (0.0, 1.0), "-") for n in range(3)})
    record = next(own_cache.rglob("image-infos-*.txt"))
    lines = record.read_text().splitlines()
    lines[1] = lines[1].replace("0.0:1.0", values)
    record.write_text("\n".join(lines), encoding="utf-8")
    assert [f"{n:064x}" in ImageInfoCache() for n in range(3)] == [True, False, True]


def test_keys_and_bundles_without_a_depth_are_as_they_were(run):
    assert "depth" not in Preprocessing(32, 36).metadata()
    assert Preprocessing(32, 36, depth=12).metadata()["depth"] == 12
    assert "depth" not in identity(load(run[0]).extractor)["preprocessing"]
    assert replace(bundle.read(run[0]), temperature=1.0).metadata()["format"] == 1


def test_a_depth_is_read_alike_in_training_evaluation_and_prediction(tmp_path, own_cache, cli):
    root, out = folder(tmp_path / "photos", (4095, 4095)), tmp_path / "run"
    model = fine_tune(root, out=str(out), **SMALL, **{"data.depth": 12})
    assert bundle.read(out).metadata()["format"] == 2
    files = [root / row["file"] for row in read_csv(out / "predictions_test.csv")]
    golden = torch.stack([model.preprocessing(read_image(ImageBytes(f.read_bytes(), "x"), None, 12)[1]) for f in files])
    assert golden.max() > 250
    for images in (files, [Image.open(file) for file in files], [file.read_bytes() for file in files]):
        assert torch.equal(load(out).pixels(images), golden)
    told = [float(row["probability"]) for row in read_csv(out / "predictions_test.csv")]
    assert [one.probability for one in load(out).predict(files)] == pytest.approx(told, abs=2e-6)
    for given, table in ((), "test"), ((f"data.root={root}",), "eval"):
        assert cli("evaluate", f"run={out}", *given, f"out={tmp_path / table}", "workers=0")[0] == 0
        again = {row["file"]: row["probability"] for row in read_csv(next((tmp_path / table).glob("predictions_*.csv")))}
        rows = read_csv(out / "predictions_test.csv")
        assert [float(again[row["file"]]) for row in rows] == pytest.approx(told, abs=2e-6)
    assert cli("predict", f"run={out}", *files, f"csv={tmp_path / 't.csv'}", "workers=0")[0] == 0
    assert [float(row["probability"]) for row in read_csv(tmp_path / "t.csv")] == pytest.approx(told, abs=2e-6)


@pytest.mark.parametrize("depth", [0, 33, 12.5, "x", True])
def test_a_depth_that_is_none_is_refused(cli, photos, depth):
    code, _, err = cli("audit", f"data.root={photos}", f"data.depth={depth}")
    assert (code, "data.depth must be a whole number from 1 to 32, or null" in err) == (2, True)


@pytest.mark.parametrize(
    ("depth", "tops", "told"), [(12, (4095, 4095), None), (12, (4095, 60000), 16), (8, (256, 300), 9), (16, (9, 65535), None)]
)
def test_prediction_warns_of_values_above_the_depth(photos, tmp_path, own_cache, capsys, depth, tops, told):
    model = fine_tune(photos, out=str(tmp_path / "run"), **SMALL, **{"data.depth": depth})
    root = folder(tmp_path / "new", tops, each=3)
    capsys.readouterr()
    model.predict(root)
    above = sum(top >= 2**depth for top in tops) * 3
    text = " ".join(capsys.readouterr().err.split())
    assert (f"{above} images with values above {2**depth - 1}" in text) == bool(told)
    assert (f"Pass data.depth={told} in training" in text) == bool(told)


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_an_open_image_of_16_bits_of_colour_has_too_few_for_a_depth(channels):
    image = Image.open(io.BytesIO(colour_png(np.full((8, 8, channels), 4095))))
    with pytest.raises(BadImage, match="pass the file itself"):
        read_image(image, None, 12)
    assert read_image(image)[0].values == (3840, 4095)
