"""Orientations, modes and formats: the same pixels through `load_image`, the loader, training and prediction."""

import numpy as np
import pytest
import torch
from PIL import Image

from ajuste_fino.data import heif
from ajuste_fino.data.content import ImageFile
from ajuste_fino.data.decoding import decode_all
from ajuste_fino.data.hashing import hash_files
from ajuste_fino.data.images import load_image
from ajuste_fino.data.loading import ImageDataset, LoaderConfig, PlainView
from ajuste_fino.data.sample import Sample
from ajuste_fino.data.transforms import Augmentation
from ajuste_fino.features import CachedFeatures, Extractor
from ajuste_fino.predict import load, no_progress

Y, X = np.mgrid[:48, :72]
GREY = ((3 * X + 5 * Y + 40 * (X > 40)) % 256).astype(np.uint8)  # no symmetry: every orientation is another image
COLOUR = np.stack([GREY, 255 - GREY, (GREY // 2 + X).astype(np.uint8)], axis=2)
ALPHA = ((X * 3) % 256).astype(np.uint8)


def on_white(rgb):
    """What Pillow's compositing gives, at most one grey level from the formula."""
    alpha = ALPHA[..., None] / 255
    return rgb * alpha + 255 * (1 - alpha)


def grey(values):
    return np.repeat(values[..., None], 3, axis=2)


def palette():
    image = Image.fromarray(GREY // 64).convert("P")
    image.putpalette([10, 20, 30, 200, 0, 0, 0, 200, 0, 250, 250, 0])
    return image


TABLE = np.array([[10, 20, 30], [200, 0, 0], [0, 200, 0], [250, 250, 0]])
MODES = {
    # the stored image, its file, what it must be as RGB, by how much it may differ
    "1": (lambda: Image.fromarray(GREY > 127), "png", grey(np.where(GREY > 127, 255, 0)), 0),
    "L": (lambda: Image.fromarray(GREY), "png", grey(GREY), 0),
    "P": (palette, "png", TABLE[GREY // 64], 0),
    "LA": (lambda: Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(ALPHA)]), "png", on_white(grey(GREY)), 1),
    "RGB": (lambda: Image.fromarray(COLOUR), "png", COLOUR, 0),
    "RGBA": (lambda: Image.fromarray(np.dstack([COLOUR, ALPHA])), "png", on_white(COLOUR), 1),
    "CMYK": (lambda: Image.merge("CMYK", [*Image.fromarray(255 - COLOUR).split(), Image.new("L", (72, 48))]), "tif", COLOUR, 0),
    "I;16": (lambda: Image.fromarray(GREY.astype(np.uint16) * 257), "png", grey(GREY), 0),
    "F": (lambda: Image.fromarray(GREY.astype(np.float32) / 255), "tif", grey(GREY), 0),
}
for suffix, tolerance in {"avif": 8, "jp2": 0, **({"heic": 4} if heif.is_installed() else {})}.items():
    MODES |= {f"{mode} {suffix}": (MODES[mode][0], suffix, MODES[mode][2], tolerance) for mode in ("L", "RGB")}
MODES["I;16 jp2"] = (MODES["I;16"][0], "jp2", grey(GREY), 0)
OPTIONS = {"avif": {"quality": 100, "subsampling": "4:4:4"}}
# the orientation that undoes each: 6 and 8 are each other's
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def write(folder, mode, orientation):
    """A file whose stored pixels and EXIF orientation together show the image upright."""
    make, suffix, _, _ = MODES[mode]
    image = make()
    assert image.mode == mode.split()[0]
    if STORED[orientation] is not None and suffix != "jp2":  # which has no orientation
        image = image.transpose(STORED[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = folder / f"{mode.replace(';', '')}-{orientation}.{suffix}"
    if suffix == "heic":
        from pillow_heif import from_pillow

        from_pillow(image).save(path, quality=-1, chroma=444, matrix_coefficients=0, exif=exif.tobytes())
    else:
        image.save(path, exif=exif, **OPTIONS.get(suffix, {}), comment=str(orientation))  # so that no two files are the same
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("golden")
    return {(mode, turn): write(folder, mode, turn) for mode in MODES for turn in STORED}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("mode", MODES)
def test_a_image_is_read_as_it_is_seen(files, mode, orientation):
    *_, golden, tolerance = MODES[mode]
    seen = np.asarray(load_image(files[mode, orientation])).astype(float)
    assert seen.shape == golden.shape
    assert np.abs(seen - golden).max() <= tolerance


def test_the_loader_training_and_prediction_see_the_same_pixels(files, run, monkeypatch, own_cache):
    """Pixels as they reach the network, of all files on each way there."""
    seen = []
    real = Extractor.forward
    monkeypatch.setattr(Extractor, "forward", lambda self, pixels: (seen.append(pixels.clone()), real(self, pixels))[1])
    model, paths = load(run[0]), list(files.values())
    preprocessing = model.preprocessing
    golden = torch.stack([preprocessing(load_image(path)) for path in paths])

    contents = [ImageFile(path) for path in paths]
    from_loader = ImageDataset(contents, PlainView(preprocessing), threads=2)[list(range(len(paths)))].pixels
    for path in paths:  # more at once would come from the cache
        model.predict(path)
    from_prediction, seen[:] = torch.cat(seen), []
    samples, _ = hash_files([Sample(file, file.path.name, "x") for file in contents], 0, no_progress)
    cached = CachedFeatures(model.extractor, Augmentation(), LoaderConfig(torch.device("cpu"), 16, 2, no_progress))
    wanted = cached.missing([sample.sha256 for sample in samples])
    stream = cached.extract(decode_all(samples, 0, no_progress, True, cached.pixel_config, wanted))
    assert sum(len(decoded.contents) for decoded in stream) == len(paths)
    from_training = torch.cat(seen)

    for pixels in (from_loader, from_prediction, from_training):
        assert torch.equal(pixels, golden)
    by_mode = golden.unflatten(0, (len(MODES), len(STORED)))
    apart = (by_mode.int() - by_mode[:, :1].int()).abs().flatten(1).amax(1)
    assert all(most <= (tolerance if tolerance > 1 else 0) for most, (*_, tolerance) in zip(apart, MODES.values(), strict=True))


def test_a_large_jpeg_is_decoded_small_and_nearly_the_same(tmp_path):
    from ajuste_fino.data.transforms import Preprocessing

    rng = np.random.default_rng(0)
    large = Image.fromarray(rng.uniform(0, 255, (12, 16, 3)).astype(np.uint8)).resize((1600, 1200), Image.Resampling.BICUBIC)
    large.save(tmp_path / "large.jpg", quality=92)
    preprocessing = Preprocessing(64, 72)
    assert load_image(tmp_path / "large.jpg", min_size=preprocessing.min_size).size == (200, 150)
    assert load_image(tmp_path / "large.jpg", min_size=601).size == (1600, 1200)
    small = preprocessing(load_image(tmp_path / "large.jpg", min_size=preprocessing.min_size)).float()
    whole = preprocessing(load_image(tmp_path / "large.jpg")).float()
    assert (small - whole).abs().mean() < 1
