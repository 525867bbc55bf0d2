import json
from dataclasses import asdict, replace

import pytest
import torch
from PIL import Image

from ajuste_fino import bundle, load
from ajuste_fino.data.inputs import sources
from ajuste_fino.data.loading import ImageDataset
from ajuste_fino.data.multiview import SMALLEST, MultiView, kept
from ajuste_fino.data.transforms import Augmentation, Preprocessing
from ajuste_fino.errors import UserError
from ajuste_fino.files import read_csv
from tests.conftest import draw, draw_folder
from tests.test_bundle import edited, put

PLAIN = Preprocessing(32, 32)
PHOTOS, DIGITS = {"scale": 0.6, "flip": 0.5, "color": 0.2}, {"scale": 0.8, "flip": 0.0, "color": 0.2}


class Own:
    def min_size(self, size):
        return size

    def __call__(self, image, size, seed):
        return PLAIN(image)


def views(augmentation, count, image=None, preprocessing=PLAIN):
    made = MultiView(preprocessing, augmentation, count)
    return [made(image or draw(1, 0), 0, view) for view in range(count)]


def with_augmentation(run, folder, values, **more):
    bundle.write(replace(bundle.read(run[0]), augmentation=values, **more), folder)
    return load(folder)


@pytest.mark.parametrize(
    "preprocessing",
    [PLAIN, Preprocessing(32, 40), Preprocessing(32, 32, squash=True), Preprocessing(32, 32, pad=True)],
    ids=["crop", "resize and crop", "squash", "pad"],
)
@pytest.mark.parametrize("size", [(40, 40), (90, 30), (1, 7)])
def test_view_0_is_the_plain_one_and_view_1_its_mirror(preprocessing, size):
    image = draw(1, 0).resize(size)
    plain, mirror, *parts = views(PHOTOS, 20, image, preprocessing)
    assert torch.equal(plain, preprocessing(image))
    assert torch.equal(mirror, plain.flip(2))
    assert all(part.shape == (3, 32, 32) and part.dtype == torch.uint8 for part in parts)


@pytest.mark.parametrize(
    ("augmentation", "smallest", "flips"),
    [
        (PHOTOS, SMALLEST, True),
        ({**PHOTOS, "scale": 0.95, "erase": 0.3, "trivial": True}, 0.95, True),
        (DIGITS, SMALLEST, False),
        (None, SMALLEST, False),
    ],
)
@pytest.mark.parametrize("count", [2, 6, 64])
def test_the_views_are_those_of_the_runs_own_augmentation(augmentation, smallest, flips, count):
    made = MultiView(PLAIN, augmentation, count)
    assert len(made.parts) == count - 1 and len(set(made.parts)) == count - 1
    assert all(smallest - 1e-9 <= part.side**2 <= 1 for part in made.parts)
    assert any(part.mirrored for part in made.parts) == flips
    assert made.parts == MultiView(PLAIN, augmentation, 64).parts[: count - 1]
    assert ("none mirrored" in made.summary()) == (not flips)


def test_parts_lie_in_the_corners():
    image = Image.new("RGB", (100, 100))
    image.paste((255, 0, 0), (0, 0, 4, 4))
    seen = [bool((view[0] > 128).any()) for view in views(None, 5, image)]
    assert seen == [True, True, False, False, False]  # the whole, top left, bottom right, top right, bottom left


@pytest.mark.parametrize(("flip", "most"), [(0.5, 2), (0, 1)])
def test_where_no_parts_were_cut_out_there_is_but_the_mirror(flip, most):
    augmentation = {"scale": 1, "flip": flip}
    if most > 1:
        assert len(views(augmentation, most)) == most
    with pytest.raises(UserError, match=rf"tta has {most} to average(.|\n)*{'Pass tta=2' if most > 1 else 'Leave tta out'}"):
        MultiView(PLAIN, augmentation, most + 1)


@pytest.mark.parametrize("count", [0, 1, -2, 65, 2.0, "2", True])
def test_how_many_views(run, count):
    with pytest.raises(UserError, match="tta must be a whole number from 2 to 64"):
        run[1].predict(draw(0, 0), tta=count)


def test_a_model_keeps_the_augmentation_that_it_saw(run, tmp_path):
    assert kept(Augmentation(), 1) is kept(Own(), 1) is None
    assert kept(Augmentation(flip=0), 4) == asdict(Augmentation(flip=0))
    assert kept(Own(), 4) == {"class": f"{__name__}.Own"}
    model = with_augmentation(run, tmp_path / "a", kept(Augmentation(flip=0), 4))
    assert model.augmentation == asdict(Augmentation(flip=0))
    metadata = json.loads((tmp_path / "a" / "bundle.json").read_text())
    assert metadata["format"] == bundle.FORMAT_OF_MORE  # by its temperature
    assert run[1].augmentation is None and "augmentation" not in json.loads((run[0] / "bundle" / "bundle.json").read_text())


def test_of_an_augmentation_of_ones_own_there_are_no_views(run, tmp_path):
    model = with_augmentation(run, tmp_path / "a", kept(Own(), 4))
    assert model.predict(draw(0, 0)).label == run[1].predict(draw(0, 0)).label
    with pytest.raises(UserError, match=r"the model was trained with tests\.test_tta\.Own; got 4\. Leave tta out"):
        model.predict(draw(0, 0), tta=4)


@pytest.mark.parametrize("value", [[], {"flip": 2}, {"flip": "a"}, {"scale": None}, {"scale": True}, {"x": [1]}, {"class": 1}])
def test_an_augmentation_that_is_none_is_refused(run, tmp_path, value):
    with_augmentation(run, tmp_path / "a", PHOTOS)
    edited(tmp_path / "a", put("augmentation", value=value))
    with pytest.raises(UserError, match="augmentation"):
        load(tmp_path / "a")


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_the_prediction_is_the_mean_over_the_views(run, tmp_path, temperature):
    model = with_augmentation(run, tmp_path / "a", PHOTOS, temperature=temperature)
    found = sources(run[0].parent / "photos" / "1")
    pixels = torch.stack([torch.stack(views(PHOTOS, 5, draw(0, n), model.preprocessing)) for n in range(3)])
    with torch.inference_mode():
        logits = model.head(model.extractor(pixels.flatten(0, 1))) / temperature
    expected = logits.softmax(1).view(3, 5, -1).mean(1)
    scores = model.scores(found[:3], tta=5)
    torch.testing.assert_close(scores.probabilities, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_neither_the_batch_nor_the_company_matters_and_bad_images_are_told(run, tmp_path, batch_size):
    root = draw_folder(tmp_path / "some", each=4)
    (root / "1" / "02.png").write_text("no")
    images = sources(root)
    scores = run[1].scores(images, batch_size, tta=3)
    assert list(scores.bad) == [2] and scores.positions == [n for n in range(12) if n != 2]
    assert torch.equal(scores.probabilities, run[1].scores(images, batch_size, tta=3).probabilities)
    alone = run[1].scores([images[5]], tta=3).probabilities[0]
    torch.testing.assert_close(scores.probabilities[4], alone, rtol=1e-4, atol=1e-6)
    assert run[1].scores([images[2]], tta=3).positions == []


def test_an_image_is_decoded_once(run, monkeypatch, tmp_path):
    from ajuste_fino.data import loading

    read, seen = loading.read_image, []
    monkeypatch.setattr(loading, "read_image", lambda *given: seen.append(given) or read(*given))
    images = sources(draw_folder(tmp_path / "some", each=2))
    ImageDataset(images, MultiView(PLAIN, PHOTOS, 4))[[view * 6 + n for n in range(6) for view in range(4)]]
    assert len(seen) == 6


def test_predict_and_evaluate_take_it(run, cli, tmp_path):
    with_augmentation(run, tmp_path / "a", PHOTOS)
    photos = run[0].parent / "photos"
    code, _, err = cli(
        "predict", f"run={tmp_path / 'a'}", f"images={photos}", f"csv={tmp_path / 't.csv'}", "tta=4", "workers=0"
    )
    assert code == 0, err
    assert "4 views of each image (tta): the plain one, its mirror, parts of at least 90%" in err
    out = tmp_path / "e"
    code, _, err = cli("evaluate", f"run={tmp_path / 'a'}", f"data.root={photos}", f"out={out}", "tta=4", "workers=0")
    assert code == 0, err
    predicted = {row["file"]: row["probability"] for row in read_csv(tmp_path / "t.csv")}
    for row in read_csv(out / "predictions_eval.csv"):
        assert float(row["probability"]) == pytest.approx(float(predicted[str(photos / row["file"])]), abs=2e-6)
    code, _, err = cli("evaluate", f"run={run[0]}", f"out={tmp_path / 'own'}", "tta=2", "workers=0")
    assert code == 0 and "none mirrored" in err


@pytest.mark.parametrize("verb", ["predict", "evaluate"])
@pytest.mark.parametrize(
    ("tta", "augmentation"), [("1", None), ("x", None), ("3", {"scale": 1, "flip": 1}), ("2", {"class": "a.B"})]
)
def test_what_it_cannot_be_is_told_before_anything_is_written(run, cli, tmp_path, verb, tta, augmentation):
    with_augmentation(run, tmp_path / "a", augmentation)
    photos = run[0].parent / "photos"
    to = (
        [f"images={photos}", f"csv={tmp_path / 'out'}"]
        if verb == "predict"
        else [f"data.root={photos}", f"out={tmp_path / 'out'}"]
    )
    code, _, err = cli(verb, f"run={tmp_path / 'a'}", *to, f"tta={tta}", "workers=0")
    assert (code, "tta" in err) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
