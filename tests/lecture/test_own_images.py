"""Experiments on the user's own images, by `data.root`; and the views that stand in for them."""

import pytest
import torch

from ajuste_fino.lecture import experiment, frozen
from ajuste_fino.lecture.data import Split
from ajuste_fino.lecture.findings import Table
from ajuste_fino.lecture.tasks import digit_images, photographs
from ajuste_fino.lecture.text import Texts
from ajuste_fino.lecture.views import CLASSES, places, views
from ajuste_fino.lecture.ways import Budget, accuracy_of, network, train_from_scratch
from tests.conftest import draw_folder
from tests.lecture.conftest import fast

RATES = {name: [0.01] for name in ("SGD", "momentum", "AdaGrad", "RMSProp", "Adam")}
CHEAP = {
    "optimizers": {"rates": RATES, "epochs": 2, "seeds": 1, "tuning_seeds": 1},
    "dropout": {"epochs": 2, "masks": 4},
    "bagging": {"trees": 4, "heads": 2, "intervals": 20},
    "transfer": {"labels": [1, 2], "steps": {"scratch": 1, "head": 2, "tuned": 1}},
}


@pytest.fixture(scope="module")
def own(tmp_path_factory, cache):
    """36 images of three classes."""
    return draw_folder(tmp_path_factory.mktemp("own") / "photos")


@pytest.mark.parametrize("name", CHEAP)
def test_the_same_experiment_runs_on_images_of_the_user(name, own):
    found = experiment(name).measure(**{**fast(name), **CHEAP[name], "data": {"root": str(own)}})
    texts = Texts.load(name, "es")
    assert found.checks and all(check.sentence(texts) for check in found.checks)
    assert not (found.broken or found.judged)  # of seven test images nothing can be said
    assert experiment(name).draw(found, texts).axes


def test_few_test_images_are_told_to_give_no_verdict(cli, own, tmp_path):
    code, _, err = cli("lecture", "dropout", f"data.root={own}", "epochs=2", "masks=4", f"out={tmp_path / 'out'}")
    assert code == 0 and "There will be no verdict: it needs 200 test images, and here are" in err


def test_features_are_those_of_the_backbone_for_photographs_and_computed_once(own):
    found = frozen.features(str(own))
    assert (found.num_features, found.classes) == (1280, 3)
    assert sum(len(split.y) for split in (found.train, found.val, found.test)) == 36
    scaled = frozen.flat(str(own)).train.x
    assert torch.allclose(scaled.mean(0), torch.zeros(1280), atol=1e-5)


def test_pixels_of_a_folder_have_the_side_that_was_asked_for(own):
    train, test = photographs(str(own), 48)
    assert train.x.shape[1:] == (3, 48, 48) and train.x.dtype == torch.uint8
    assert len(train.y) + len(test.y) < 36 and set(test.y.tolist()) == {0, 1, 2}  # the validation split is left out


@pytest.mark.parametrize("name", CHEAP)
def test_images_that_cannot_be_trained_on_are_refused_and_nothing_is_written(cli, tmp_path, name):
    lone = draw_folder(tmp_path / "lone", classes=("cat",))
    untested = tmp_path / "untested"
    for split in ("train", "val"):
        draw_folder(untested / split, each=3, first=10 * len(split))
    cases = ((tmp_path / "nowhere", "data.root"), (lone, "at least two classes"), (untested, "must have test images"))
    for root, message in cases:
        code, _, err = cli("lecture", name, f"data.root={root}", f"out={tmp_path / 'out'}")
        assert (code, message in err) == (2, True), err
        assert not (tmp_path / "out").exists()


def test_views_are_of_ten_places_and_none_of_the_test_was_trained_on():
    assert len(places()) == CLASSES == 10
    train, test = photographs(None, 32)
    assert train.x.shape == (400, 3, 32, 32) and train.x.dtype == torch.uint8
    assert train.y.bincount().tolist() == test.y.bincount().tolist() == [40] * 10
    assert len(torch.cat([train.x, test.x]).flatten(1).unique(dim=0)) == 800
    assert torch.equal(views(3, 32, 5).x, views(3, 32, 5).x)


def test_digits_are_drawn_as_photographs_are():
    train, test = digit_images(32)
    assert train.x.shape[1:] == (3, 32, 32) and train.x.dtype == torch.uint8
    assert (int(train.x.min()), int(train.x.max())) == (0, 255)


@pytest.mark.parametrize(("images", "epochs"), [(10, 50), (32, 50), (33, 25), (50, 25), (320, 5), (3200, 4)])
def test_few_images_are_seen_often_and_many_at_least_so_many_times(images, epochs):
    assert Budget({"scratch": 50}, {"scratch": 4}).epochs("scratch", images) == epochs


def test_a_rest_of_one_image_is_left_out():
    images = Split(torch.randint(0, 256, (33, 3, 32, 32), dtype=torch.uint8), torch.arange(33) % 3)
    budget = Budget({"scratch": 2}, {"scratch": 1})
    net, _ = train_from_scratch("efficientnet_lite0", images, 3, 32, budget, seed=0)
    assert accuracy_of(net, images) >= 0


def test_a_trained_network_keeps_its_statistics_and_a_new_one_does_not():
    for weights, same in (("pretrained", True), ("none", False)):
        body = network("embedded", weights, 32, seed=0).train()
        before = {name: tensor.clone() for name, tensor in body.named_buffers() if "running_mean" in name}
        body(torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8))
        assert all(torch.equal(before[name], dict(body.named_buffers())[name]) for name in before) == same


def ways(**accuracy):
    """The rows of `transfer` in which both networks are right so often, by way; those of ImageNet's first, in two runs."""
    names = {"scratch": "scratch", "random": "random, frozen", "frozen": "frozen", "tuned": "fine-tuned"}
    both = {way: value if isinstance(value, tuple) else (value, 0.2) for way, value in accuracy.items()}
    rows = [
        {"part": "labels", "labels": labels, "seed": seed, "network": network, "way": names[way], "accuracy": score}
        for labels in (1, 5, 0)
        for seed in (0, 1)
        for way, pair in both.items()
        for network, score in zip(("efficientnet_lite0", "embedded"), pair, strict=True)
    ]
    choice = {("near", "ImageNet"): 0.9, ("near", "fractals"): 0.5, ("far", "ImageNet"): 0.8, ("far", "fractals"): 0.9}
    rows += [
        {"task": task, "seed": seed, "trained on": on, "accuracy": score + seed * 0.01 * (on == "ImageNet") * (task == "near")}
        | {"cross-validated": score}
        for (task, on), score in choice.items()
        for seed in (0, 1)
    ]
    return Table(rows)


GOOD = {"scratch": 0.4, "random": 0.3, "frozen": 0.8, "tuned": 0.9}


@pytest.mark.parametrize(
    ("changed", "failed"),
    [
        ({}, set()),
        ({"scratch": (0.4, 0.75)}, {"ahead"}),  # the better of both counts
        ({"scratch": (0.1, 0.81)}, {"ahead", "ahead_from_two"}),
        ({"random": (0.3, 0.75)}, {"trained"}),
        ({"tuned": 0.79}, {"tuned_all"}),
    ],
)
def test_transfer_judges_what_it_says(changed, failed):
    checks = experiment("transfer")._checks(ways(**{**GOOD, **changed}), [1, 5, 0])
    assert {check.name for check in checks if not check.holds} == failed


def test_a_backbone_that_is_worth_more_far_than_near_is_not_the_similar_one():
    rows = ways(**GOOD)
    for row in rows:
        if row.get("task") == "far" and row["trained on"] == "ImageNet":
            row["accuracy"], row["cross-validated"] = 1.5 + row["seed"] * 0.01, 0.1
    failed = {check.name for check in experiment("transfer")._checks(rows, [1, 5, 0]) if not check.holds}
    assert failed == {"similar", "chosen"}  # and the one that cross-validation chose is not the best


@pytest.mark.parametrize(
    ("relu", "tanh", "holds", "explanation"),
    [
        (0.1, 0.5, True, None),
        (0.5, 0.1, False, "lower"),
        (2.3, 2.3, False, "none_trains"),
        (0.1, float("inf"), False, "lower"),  # to diverge is no way to lose
    ],
)
def test_relu_judges_training_by_start_and_activation(relu, tanh, holds, explanation):
    losses = {"ReLU": relu, "tanh": tanh, "sigmoid": 2.3}
    rows = Table({"of": "gradient", "activation": name, "depth": 2, "norm": norm} for name in losses for norm in (1.0, 1.0))
    rows += [
        {"of": "training", "activation": name, "start": start, "depth": 2, "loss": loss}
        for name, loss in losses.items()
        for start in ("historical", "today's")
    ]
    checks = [c for c in experiment("relu")._checks(rows, 2) if c.name == "loss_ratio" and c.values["activation"] == "tanh"]
    assert [check.holds for check in checks] == [holds, holds]
    assert holds or all(check.explanation.startswith(explanation) for check in checks)
