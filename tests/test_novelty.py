import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from ajuste_fino import bundle, load, novelty
from ajuste_fino.bundle import FORMAT, FORMAT_OF_MORE
from ajuste_fino.errors import UserError
from ajuste_fino.files import read_csv
from ajuste_fino.novelty import MOST, chosen, fit
from tests.conftest import draw_folder
from tests.test_bundle import edited, put


def drawn(count=600, width=96, classes=3, seed=0, spread=1.0):
    """Features about class means, in which few directions vary."""
    generator = torch.Generator().manual_seed(seed)
    means, mixing = 2 * torch.randn(classes, width, generator=generator), torch.randn(8, width, generator=generator)
    y = torch.arange(count) % classes
    noise = torch.Generator().manual_seed(seed + 1)
    return means[y] + spread * torch.randn(count, 8, generator=noise) @ mixing + 0.1 * torch.randn(
        count, width, generator=noise
    ), y


@pytest.fixture(scope="module")
def known():
    x, y = drawn()
    return fit(x[:300], y[:300]).accepting(fit(x[:300], y[:300]).distances(x[300:450])), x


def test_what_is_like_the_training_images_is_accepted_and_what_is_not_is_not(known):
    model, x = known
    assert 0.85 < (model.distances(x[450:]) <= 1).float().mean() <= 1
    other, _ = drawn(seed=5)
    assert (model.distances(other) > 1).all()
    assert (model.distances(torch.randn(50, 96)) > 1).all()


def test_the_same_images_give_the_same_model_whatever_was_drawn_before():
    x, y = drawn()
    first = fit(x, y)
    torch.rand(7)
    before = torch.random.get_rng_state()
    again = fit(x, y)
    assert all(torch.equal(first.tensors()[name], again.tensors()[name]) for name in novelty.NAMES)
    assert torch.equal(before, torch.random.get_rng_state())


def test_it_is_a_mahalanobis_distance():
    """With directions for all that varies, beside a covariance that is inverted."""
    generator = torch.Generator().manual_seed(0)
    x = torch.nn.functional.normalize(
        torch.randn(500, 4, generator=generator) @ torch.randn(4, 4, generator=generator) + 3, dim=1
    )
    model = fit(x, torch.zeros(500, dtype=torch.long))
    assert model.components.shape == (3, 4)
    off = (x - x.mean(0)).double()
    first = torch.linalg.svd(off, full_matrices=False)[2][:3]
    z = off @ first.T
    inverse = torch.linalg.inv(z.T @ z / 499)
    rest = off.square().sum(1) - z.square().sum(1)
    expected = torch.einsum("ni,ij,nj->n", z, inverse, z) + rest / model.variances[-1]
    torch.testing.assert_close(model.distances(x).double().square(), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (torch.randn(1, 20), [0]),
        (torch.randn(3, 20), [0, 1, 2]),
        (torch.randn(40, 20), range(40)),
        (torch.ones(10, 20), [0, 1] * 5),
        (torch.zeros(10, 20), [0, 1] * 5),
        (torch.randn(50, 1), [0] * 50),
        (torch.randn(300, 2), [0, 1, 2] * 100),
        (1e6 * torch.randn(30, 20), [0, 1] * 15),
    ],
    ids=["one image", "a few", "classes of one", "all equal", "nothing", "one feature", "two features", "large numbers"],
)
def test_little_and_odd_images_give_finite_distances(x, y):
    model = fit(x, torch.tensor(list(y)))
    for one in (x, torch.randn(5, x.shape[1]), torch.empty(0, x.shape[1])):
        distances = model.accepting(model.distances(x)).distances(one)
        assert distances.shape == (len(one),) and bool(distances.isfinite().all())
    assert (model.accepting(model.distances(x)).distances(x) <= 1).float().mean() >= 0.95


@pytest.mark.parametrize(("count", "accepted"), [(1, 1), (18, 18), (19, 19), (20, 20), (39, 38), (100, 96), (1000, 951)])
def test_the_threshold_accepts_95_in_100_of_new_images(count, accepted):
    model = replace(fit(*drawn(60)), threshold=1.0)
    distances = torch.linspace(2, 3, count)[torch.randperm(count)]
    assert int((distances <= model.accepting(distances).threshold).sum()) == accepted


@pytest.mark.parametrize("counts", [[30], [5000, 3], [9000, 9000, 1], [2] * 5000], ids=str)
def test_images_are_chosen_evenly_from_all_classes(counts):
    targets = [label for label, count in enumerate(counts) for _ in range(count)]
    found = chosen(targets, len(counts))
    each = max(MOST // len(counts), 1)
    assert found == sorted(set(found)) == chosen(targets, len(counts))
    assert [sum(targets[n] == label for n in found) for label in range(min(len(counts), 3))] == [min(n, each) for n in counts][
        :3
    ]


@pytest.fixture
def copy(run, tmp_path):
    shutil.copytree(run[0] / "bundle", tmp_path / "bundle")
    return tmp_path / "bundle"


@pytest.fixture
def old(run, tmp_path):
    """A bundle of a release before."""
    bundle.write(replace(bundle.read(run[0]), novelty=None), tmp_path / "old")
    return tmp_path / "old"


@pytest.fixture
def noise(tmp_path):
    """Images of other kinds than those that were trained on."""
    (tmp_path / "noise").mkdir()
    rng = np.random.default_rng(0)
    for n in range(8):
        pixels = rng.integers(0, 255, (40, 40, 3)) if n % 2 else np.full((40, 40, 3), 30 * n)
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "noise" / f"{n}.png")
    return tmp_path / "noise"


def test_a_run_keeps_it_and_says_what_it_accepts(run):
    kept, metrics = bundle.read(run[0]), run[1].metrics
    assert kept.novelty.threshold > 0 and kept.novelty.components.shape[1] == kept.head.shape.num_features
    assert json.loads((run[0] / "bundle" / "bundle.json").read_text())["novelty"] == {
        "threshold": kept.novelty.threshold,
        "accepted": 0.95,
    }
    assert metrics["val/accepted"] == 1  # of so few
    assert 0 <= metrics["test/accepted"] <= 1 and metrics["time/novelty_s"] < 5


def test_images_of_other_kinds_are_unknown_and_their_label_is_the_nearest(run, noise):
    found = run[1].predict(noise)
    assert all(one.unknown and one.distance > 1 and one.label in run[1].labels for one in found)
    photos = run[1].predict(run[0].parent / "photos")
    assert sum(one.unknown for one in photos) <= 6
    assert all(one.unknown == (one.distance > 1) for one in photos)
    few = run[1].predict(run[0].parent / "photos" / "1", tta=2)  # by the plain view, whatever is averaged
    assert [one.distance for one in few] == pytest.approx([one.distance for one in photos if "/1/" in one.file], rel=1e-3)


def test_labels_and_probabilities_are_what_they_were(run, old):
    images = run[0].parent / "photos"
    first, second = run[1].predict(images), load(old).predict(images)
    assert [(one.label, one.top, one.file) for one in first] == [(one.label, one.top, one.file) for one in second]
    assert {(one.unknown, one.distance) for one in second} == {(None, None)}


def test_the_command_tells_unknown_images(run, old, noise, cli, tmp_path):
    code, out, err = cli(
        "predict", f"run={run[0]}", f"images={noise}", f"csv={tmp_path / 't.csv'}", f"json={tmp_path / 't.json'}"
    )
    assert (code, "8 of 8 images unknown: less like the training images than 95%" in err) == (0, True), err
    assert "unknown (nearest: " in out
    rows, records = read_csv(tmp_path / "t.csv"), json.loads((tmp_path / "t.json").read_text())
    assert list(rows[0]) == ["file", "label", "probability", "unknown", "distance"]
    assert {row["unknown"] for row in rows} == {"true"} and all(float(row["distance"]) > 1 for row in rows)
    assert [one["distance"] for one in records] == pytest.approx([float(row["distance"]) for row in rows], abs=1e-6)
    assert all(one["unknown"] is True for one in records)
    for arguments, told in (([f"run={run[0]}", "unknown=false"], False), ([f"run={old}"], True)):
        code, out, err = cli("predict", *arguments, f"images={noise}", f"csv={tmp_path / 't.csv'}")
        assert (code, "cannot tell unknown images" in err, "unknown (" in out) == (0, told, False)
        assert list(read_csv(tmp_path / "t.csv")[0]) == ["file", "label", "probability"]


def test_evaluate_tells_the_share_that_is_accepted(run, cli, tmp_path):
    code, _, err = cli("evaluate", f"run={run[0]}", f"out={tmp_path / 'e'}", "workers=0")
    assert code == 0, err
    found = json.loads((tmp_path / "e" / "metrics.json").read_text())
    assert found["test/accepted"] == run[1].metrics["test/accepted"]


@pytest.mark.parametrize(
    "keys",
    [
        {"ensemble": 3},
        {"head": "logistic"},
        {"phases": "full", "epochs": 1, "backbone.weights": "pretrained"},
        {"phases": "ladder", "epochs": 1, "patience": 1, "backbone.weights": "pretrained"},
        {"phases": "scratch"},
    ],
    ids=lambda keys: " ".join(f"{key}={value}" for key, value in keys.items()),
)
def test_every_way_of_training_gives_one(keys, tmp_path):
    from ajuste_fino import fine_tune

    photos = draw_folder(tmp_path / "photos")
    fixed = {"epochs": 2, "workers": 0, "backbone": "embedded", "backbone.weights": "none"}
    model = fine_tune(photos, out=str(tmp_path / "run"), **{**fixed, **keys})
    assert model.metrics["val/accepted"] == 1
    found = model.predict(photos)
    assert all(one.distance >= 0 for one in found) and sum(one.unknown for one in found) < len(found) / 2


def test_the_format_stays_since_earlier_releases_read_on(run, old):
    formats = [json.loads((folder / "bundle.json").read_text())["format"] for folder in (run[0] / "bundle", old)]
    assert formats[0] == formats[1] in (FORMAT, FORMAT_OF_MORE)


EDITS = {
    "no threshold": (put("novelty", value={}), "novelty.threshold must be a number above 0"),
    "a list": (put("novelty", value=[1]), "novelty.threshold must be"),
    "null": (put("novelty", value=None), "novelty.threshold must be"),
    "below 0": (put("novelty", "threshold", value=-1), "novelty.threshold must be"),
    "NaN": (put("novelty", "threshold", value=float("nan")), "novelty.threshold must be"),
    "a text": (put("novelty", "threshold", value="1"), "novelty.threshold must be"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_what_was_edited_by_hand_is_told(copy, edit):
    change, message = EDITS[edit]
    edited(copy, change)
    with pytest.raises(UserError, match=message):
        bundle.read(copy)


@pytest.mark.parametrize(
    "change",
    [
        lambda one: {"means": one.means[:, 1:]},
        lambda one: {"centre": one.centre[1:]},
        lambda one: {"components": one.components[0]},
        lambda one: {"variances": -one.variances},
        lambda one: {"means": one.means[:0]},
        lambda one: {"means": one.means.flatten()},
    ],
)
def test_tensors_that_do_not_fit_are_told(run, tmp_path, change):
    parts = bundle.read(run[0])
    bundle.write(replace(parts, novelty=replace(parts.novelty, **change(parts.novelty))), tmp_path / "bundle")
    with pytest.raises(UserError, match="tensors of novelty must suit"):
        bundle.read(tmp_path / "bundle")
