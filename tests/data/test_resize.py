"""Images that are not square: squashed, cropped or padded, in training and wherever the model goes."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from ajuste_fino import bundle, fine_tune, load
from ajuste_fino.data.config import RESIZES, DataConfig
from ajuste_fino.data.content import ImageBytes
from ajuste_fino.data.images import read_image
from ajuste_fino.data.transforms import Preprocessing
from ajuste_fino.errors import UserError
from ajuste_fino.features.extractor import identity
from ajuste_fino.files import read_csv
from tests.conftest import draw

SIZE = 32
CROPS, SQUASHES = Preprocessing(SIZE, 36), Preprocessing(SIZE, SIZE, squash=True)
FILL = torch.tensor([round(255 * value) for value in CROPS.mean])[:, None, None]


def thirds(width, height):
    """Red, blue and red again, along the longer side."""
    image = Image.new("RGB", (width, height), "red")
    image.paste(
        "blue", (width // 3, 0, width - width // 3, height) if width > height else (0, height // 3, width, height - height // 3)
    )
    return image


@pytest.mark.parametrize("own", [CROPS, SQUASHES])
@pytest.mark.parametrize(("width", "height"), [(120, 40), (40, 120)])
def test_what_is_seen_of_a_long_image(own, width, height):
    image = thirds(width, height)
    crop, squash, pad = (own.fitted(rule)(image).float() for rule in ("crop", "squash", "pad"))
    assert (crop[0, 3:-3, 3:-3] < 5).all()  # the blue middle alone
    red = (squash[0] > 128).float()
    assert red.mean().item() == pytest.approx(2 / 3, abs=0.04)
    along, across = (2, 1) if width > height else (1, 2)
    filled = (pad == FILL).all(0)
    assert filled.all(along - 1).sum() == SIZE - round(SIZE * 40 / 120)
    inner = pad.narrow(across, 11, 10)
    assert not (inner == FILL).all(0).any()
    assert (inner[0] > 128).float().mean().item() == pytest.approx(2 / 3, abs=0.04)


def test_of_a_square_image_pad_and_squash_keep_all_alike():
    image = draw(1, 0, 90)
    assert torch.equal(CROPS.fitted("pad")(image), CROPS.fitted("squash")(image))


def test_padding_is_nothing_to_the_network():
    for preprocessing in (
        CROPS,
        Preprocessing(SIZE, SIZE, (0.5,) * 3, (0.25,) * 3),
        Preprocessing(SIZE, SIZE, (0,) * 3, (1,) * 3),
    ):
        pixels = preprocessing.fitted("pad")(Image.new("RGB", (200, 2), "white"))
        assert preprocessing.normalise(pixels[None])[0, :, 0].abs().max() < 0.01


@pytest.mark.parametrize("rule", [None, *RESIZES])
@pytest.mark.parametrize("size", [(1, 5000), (5000, 1), (1, 1), (3, 40_000), (2, 3), (33, 32), (31, 1000)])
def test_any_shape_becomes_square(rule, size):
    for own in (CROPS, SQUASHES):
        pixels = own.fitted(rule)(Image.new("RGB", size, "white"))
        assert (pixels.shape, pixels.dtype) == ((3, SIZE, SIZE), torch.uint8)
        assert (pixels == 255).all(0).any()


@pytest.mark.parametrize("rule", RESIZES)
@pytest.mark.parametrize("size", [(1600, 1200), (2400, 600), (600, 2400)])
def test_a_large_jpeg_may_be_decoded_small_under_each_rule(rule, size):
    noise = np.random.default_rng(0).uniform(0, 255, (9, 12, 3)).astype(np.uint8)
    buffer, preprocessing = io.BytesIO(), CROPS.fitted(rule)
    Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=92)
    content = ImageBytes(buffer.getvalue(), "x")
    small, whole = read_image(content, preprocessing.min_size)[1], read_image(content)[1]
    assert small.width < whole.width
    assert max(small.size) >= preprocessing.min_size
    assert (preprocessing(small).float() - preprocessing(whole).float()).abs().mean() < 2


def test_keys_are_as_they_were_where_nobody_chose():
    assert CROPS.fitted(None) is CROPS
    assert "pad" not in CROPS.metadata()
    assert CROPS.fitted("crop").metadata() == CROPS.metadata()
    assert SQUASHES.fitted("squash").metadata() == SQUASHES.metadata()
    kinds = [CROPS.fitted(rule).metadata() for rule in RESIZES]
    assert all(kinds.count(one) == 1 for one in kinds)


@pytest.mark.parametrize(
    ("value", "way_out"),
    [
        ("squish", "Did you mean squash?"),
        ("padded", "Did you mean pad?"),
        ("", "pad keeps the whole image"),
        (224, "data.image_size=224"),
        (True, "pad keeps the whole image"),
    ],
)
def test_other_rules_are_refused(photos, value, way_out):
    with pytest.raises(UserError, match=r"data\.resize must be squash, crop or pad") as error:
        DataConfig(photos, resize=value)
    assert way_out in str(error.value)


@pytest.mark.parametrize("rule", RESIZES)
def test_the_model_keeps_the_rule(tmp_path, own_cache, cli, rule):
    root, out = tmp_path / "photos", tmp_path / "run"
    for label in range(2):
        (root / "ab"[label]).mkdir(parents=True)
        for n in range(8):
            draw(label, n, 80).crop((0, 0, 80, 30)).save(root / "ab"[label] / f"{n}.png")
    keys = {"backbone": "embedded", "workers": 0, "epochs": 2, "backbone.weights": "none", "data.resize": rule}
    model = fine_tune(root, out=str(out), **keys)
    read = bundle.read(out)
    assert (read.preprocessing.squash, read.preprocessing.pad) == (rule == "squash", rule == "pad")
    assert replace(read, temperature=1.0).metadata()["format"] == (2 if rule == "pad" else 1)
    assert identity(load(out).extractor)["preprocessing"] == read.preprocessing.metadata()
    files = [root / row["file"] for row in read_csv(out / "predictions_test.csv")]
    told = [float(row["probability"]) for row in read_csv(out / "predictions_test.csv")]
    assert [one.probability for one in load(out).predict([file.read_bytes() for file in files])] == pytest.approx(
        told, abs=2e-6
    )
    assert model.preprocessing == read.preprocessing
    assert cli("evaluate", f"run={out}", f"data.root={root}", f"out={tmp_path / 'eval'}", "workers=0")[0] == 0
    again = {row["file"]: row["probability"] for row in read_csv(next((tmp_path / "eval").glob("predictions_*.csv")))}
    assert all(
        float(again[row["file"]]) == pytest.approx(float(row["probability"]), abs=2e-6)
        for row in read_csv(out / "predictions_test.csv")
    )


def test_views_without_a_border_are_warned_of(photos, tmp_path, cli):
    keys = (
        f"data.root={photos}",
        "data.resize=pad",
        "epochs=1",
        "workers=0",
        "backbone.weights=none",
        f"out={tmp_path / 'run'}",
    )
    code, _, err = cli("train", "data=folder", *keys, "features.views=2")
    assert code == 0
    assert "data.resize=pad pads the plain view of an image alone" in err
