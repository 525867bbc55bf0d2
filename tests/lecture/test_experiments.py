import inspect
import itertools
from math import inf

import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from ajuste_fino.lecture import NAMES, experiment
from ajuste_fino.lecture.data import digits
from ajuste_fino.lecture.deep import deep_net
from ajuste_fino.lecture.findings import Check, Findings, Table
from ajuste_fino.lecture.formatting import band
from ajuste_fino.lecture.settings import same
from ajuste_fino.lecture.text import Texts
from ajuste_fino.lecture.transcription import numbers, reader, right
from ajuste_fino.runs.conf import options
from ajuste_fino.runs.experiment import default_settings as settings
from ajuste_fino.runs.experiment import measure
from tests.lecture.conftest import NOTEBOOKS, fast

BAND_BY_ALGEBRA = {"backprop": 2, "convolution": 4, "dropout": 1, "pooling": 5, "receptive_field": 1}


@pytest.mark.parametrize("name", NAMES)
def test_the_settings_are_those_of_the_function_and_of_the_notebook(name):
    assert settings(name).keys() == inspect.signature(experiment(name).measure).parameters.keys() == fast(name).keys()


def test_each_has_a_configuration_and_a_notebook_and_there_are_no_others():
    assert sorted([*NAMES, "all", "list"]) == options("lecture")
    assert sorted(NAMES) == sorted(p.stem for p in NOTEBOOKS.glob("*.py")) == sorted(p.stem for p in NOTEBOOKS.glob("*.ipynb"))


@pytest.mark.parametrize("name", NAMES)
def test_it_measures_what_it_claims_in_both_languages(name, measured):
    found = measured(name)
    assert found.checks and found.rows
    assert all(isinstance(row, dict) for row in found.rows)
    english, spanish = (
        [texts("title"), texts("claim"), *(check.sentence(texts) for check in found.checks)]
        for texts in (Texts.load(name, "en"), Texts.load(name, "es"))
    )
    assert all(en and es and en != es for en, es in zip(english, spanish, strict=True))
    assert sum(check.identity for check in found.checks) == BAND_BY_ALGEBRA.get(name, 0)
    assert not found.broken


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("lang", ["en", "es"])
def test_nothing_in_the_figure_is_cut_off_or_covered(name, lang, drawn):
    figure, _ = drawn(name, lang)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    whole, renderer = figure.bbox, canvas.get_renderer()
    head = [*figure.texts, *(artist for artist in figure.artists if isinstance(artist, Text))]
    titles = [*head, *(axes.title for axes in figure.axes)]
    labels = [label for axes in figure.axes for label in (axes.xaxis.label, axes.yaxis.label) if axes.axison]
    boxes = [text.get_window_extent(renderer) for text in [*titles, *labels] if text.get_text()]
    for box in boxes:
        assert whole.x0 <= box.x0 and box.x1 <= whole.x1 and whole.y0 <= box.y0 and box.y1 <= whole.y1
    for one, other in itertools.combinations(boxes, 2):
        assert not one.padded(-1).overlaps(other.padded(-1))
    for legend in filter(None, (axes.get_legend() for axes in figure.axes)):
        box = legend.get_window_extent(renderer)
        assert whole.x0 <= box.x0 and box.x1 <= whole.x1 and whole.y0 <= box.y0


@pytest.mark.parametrize("name", ["backprop", "convolution", "growth", "momentum", "receptive_field", "pooling"])
def test_the_quick_ones_pass_at_their_own_settings(name):
    assert experiment(name).measure(**settings(name)).verdict == "PASS"


def test_relu_keeps_the_gradient_that_sigmoid_loses_and_tanh_does_not_lose_it(measured):
    relu, sigmoid, tanh = (check for check in measured("relu").checks if check.name == "ratio")
    assert relu.holds and sigmoid.holds and tanh.value > 0.1


@pytest.mark.parametrize("activation", ["ReLU", "tanh", "sigmoid"])
def test_deep_networks_begin_with_the_variance_of_their_time(activation):
    for start, times_inputs in (("historical", 1 / 3), ("today's", {"ReLU": 2, "tanh": 1, "sigmoid": 16}[activation])):
        weight = deep_net(activation, start, 3, 400, seed=0)[2].weight.detach()
        assert float(weight.var()) * 400 == pytest.approx(times_inputs, rel=0.02)


def by_depth(accuracies, control=0.5):
    """The rows of `depth` for a mean accuracy by depth, and of both controls."""
    depths = settings("depth")["depths"]
    plan = [*(("depth", *pair) for pair in zip(depths, accuracies, strict=True))]
    plan += [(kind, depths[0], control) for kind in ("filters", "fully connected")]
    return Table(
        {"kind": kind, "depth": depth, "parameters": depth, "accuracy": score + noise}
        for kind, depth, score in plan
        for noise in (-0.01, 0, 0.01)
    )


def holds(rows):
    return {check.name: check.holds for check in experiment("depth")._checks(rows)}


@pytest.mark.parametrize("swapped", [0, 1, 2, 3])
def test_depth_may_have_one_pair_of_neighbours_swapped_and_no_more(swapped):
    accuracies = [0.6, 0.7, 0.8, 0.9, 0.95]
    accuracies[swapped : swapped + 2] = reversed(accuracies[swapped : swapped + 2])
    assert all(holds(by_depth(accuracies)).values())
    assert not holds(by_depth([0.7, 0.6, 0.9, 0.8, 0.95]))["rank"]


def test_one_run_of_a_control_above_one_of_the_deepest_speaks_against_depth():
    found = holds(by_depth([0.6, 0.7, 0.8, 0.85, 0.9], control=0.89))
    assert not found["deepest_over_filters"] and not found["deepest_over_units"]


@pytest.mark.parametrize("depth", [3, 4, 7, 11])
def test_a_reader_has_so_many_hidden_layers_and_pools_twice(depth):
    net = reader(depth, 4, 8, seed=0)
    kinds = [type(layer).__name__ for layer in net]
    assert (kinds.count("Conv2d"), kinds.count("Linear"), kinds.count("MaxPool2d")) == (depth - 1, 2, 2)
    images = numbers(digits()[0], 5, seed=0)
    assert images.x.shape == (5, 1, 12, 28) and net(images.x).shape == (15, 10)
    perfect = torch.nn.Sequential(torch.nn.Flatten(), OneHot(images.y))
    assert right(perfect, images).all()


class OneHot(torch.nn.Module):
    """Answers with given classes, whatever it sees."""

    def __init__(self, y):
        super().__init__()
        self.y = y

    def forward(self, x):
        return torch.nn.functional.one_hot(self.y, 10).flatten(0, 1).float()


@pytest.fixture(scope="module")
def networks(measured):
    return {row["network"]: row for row in measured("growth").rows}


def test_every_layer_with_weights_is_counted(networks):
    """A vision transformer's neurons by hand: patches, then for 24 blocks attention's four and the two of its perceptron."""
    tokens, width = 197, 1024
    block = tokens * (4 * width + 4 * width + width)
    assert networks["ViT-L/16"]["neurons"] == 196 * width + 24 * block + 1000
    assert networks["Perceptron"]["connections"] == 400 * 512 + 512 * 8


@pytest.mark.parametrize(
    ("network", "quantity", "stated", "within"),
    [
        ("LeNet-5", "connections", 122304 + 5880 + 151600 + 2000 + 48120 + 10164 - 8094, 860),  # all but C5's, F6's biases
        ("Deep Boltzmann machine", "connections", 68e6 + 4000 * 4000, 1e5),  # the middle layer reads both sides
        ("GPU MLP", "connections", 12.11e6, 1e4),
        ("AlexNet", "neurons", 650_000, 15_000),
        ("Distributed autoencoder", "connections", 1e9, 0.25e9),
        ("ADALINE", "connections", 16, 0),
    ],
)
def test_sizes_are_those_that_papers_state(networks, network, quantity, stated, within):
    assert abs(networks[network][quantity] - stated) <= within


@pytest.mark.parametrize(("figure", "count"), [("figure 1.10", 10), ("figure 1.11", 20)])
def test_both_numbered_lists_are_whole(networks, figure, count):
    numbered = [row for row in networks.values() if row[figure] != ""]
    assert [row[figure] for row in numbered] == list(range(1, count + 1))
    assert all(row["neurons"] for row in numbered)
    assert all((row["connections"] == "") == (row["source"] == "book's curve") for row in numbered)


def test_what_stands_on_the_books_curve_decides_nothing(networks, measured, monkeypatch):
    growth = experiment("growth")
    alone = [network for network in growth.NETWORKS if network.size]
    assert len(alone) < len(growth.NETWORKS) and networks["COTS HPC CNN"]["source"] == "book's curve"
    monkeypatch.setattr(growth, "NETWORKS", alone)
    assert growth.measure(**fast("growth")).checks == measured("growth").checks


@pytest.mark.parametrize("lang", ["en", "es"])
def test_names_of_networks_cover_nothing(lang, drawn):
    figure, _ = drawn("growth", lang)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    for axes in figure.axes:
        boxes = [text.get_window_extent(canvas.get_renderer()) for text in axes.texts]
        others = [legend.get_window_extent() for legend in [axes.get_legend()] if legend]
        assert len(boxes) > 15
        assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes + others, 2))
        points = axes.transData.transform(
            [point for line in axes.lines if line.get_marker() in "os" for point in line.get_xydata()]
        )
        assert not any(box.contains(*point) for box in boxes for point in points)


@pytest.mark.parametrize("seeds", [2, 3])
def test_shares_of_steps_are_finite_whether_seeds_are_even_or_odd(seeds):
    rates = {"SGD": [0.1], "momentum": [0.03], "AdaGrad": [0.03], "RMSProp": [0.003], "Adam": [0.003]}
    found = experiment("optimizers").measure(rates=rates, hidden=16, epochs=3, seeds=seeds, tuning_seeds=1, data={"root": None})
    assert all(0 < check.value < 2 for check in found.checks[:-1])
    assert found.checks[-1].value == 5  # a grid of one rate ends at it


def test_a_rate_that_jumps_near_the_end_is_not_the_best_one():
    optimizers = experiment("optimizers")
    calm, jumping = torch.full((255,), 0.05), torch.full((255,), 0.01)
    jumping[240] = 2.0
    assert optimizers._worst_at_the_end(calm) < optimizers._worst_at_the_end(jumping)
    assert float(jumping[-17:].mean()) > 0.05 > float(optimizers._epoch_medians(jumping[None], 17)[0, -1])  # nor is it the goal
    jumping[:220] = 9.0  # how it came there does not count
    assert optimizers._worst_at_the_end(jumping) < 1


def test_the_same_seeds_give_the_same_numbers(measured):
    again = experiment("relu").measure(**fast("relu"))
    assert list(again.rows) == list(measured("relu").rows)


def test_there_is_a_verdict_at_the_settings_of_the_configuration_only():
    given = settings("receptive_field")
    assert measure("receptive_field", given).verdict == "PASS"
    found = measure("relu", fast("relu"))
    assert found.verdict == "not judged at these settings"
    assert found.summary(Texts.load("relu", "es")).startswith("no se juzga con estos ajustes: ")
    assert "tanh, 20 layers" in found.summary(Texts.load("relu", "en"))  # its checks are shown


def test_a_path_is_no_setting_that_the_bands_depend_on():
    defaults = settings("transfer")
    assert same({**defaults, "data": {"root": "/photographs"}}, defaults)
    assert not same({**defaults, "steps": {**defaults["steps"], "head": 1}}, defaults)
    assert not same({**defaults, "seeds": 2}, defaults)


def test_the_figure_names_the_verdict_and_the_check_that_failed(drawn, measured):
    texts = Texts.load("relu", "es")
    assert "sigmoide, 20 capas" in measured("relu").checks[1].sentence(texts)
    title, verdict, *failed = (text.get_text() for text in drawn("relu", "es")[0].texts)
    assert (title, verdict) == (texts("title"), "NO REPRODUCIDO")
    assert failed == [check.line(texts) for check in measured("relu").against] != []


@pytest.mark.parametrize(
    ("low", "high", "written"),
    [(0.05, inf, "≥ 0.05"), (-inf, 2, "≤ 2"), (0, 1e-12, "0 … 1e-12"), (0, 0, "0"), (0.03947, 0.065789, "0.03947 … 0.06579")],
)
def test_a_band_is_written_beside_its_value(low, high, written):
    assert band(low, high) == written
    check = Check("what", 0.5, low, high)
    texts = Texts("one", "en", {"what": "a value", "expected": "expected"})
    assert check.line(texts) == f"{'✓' if check.holds else '✗'} a value: 0.5 (expected {written})"


def test_one_check_outside_its_band_is_a_claim_not_reproduced():
    def check(value, **more):
        return Check("what", value, 0, 1, **more)

    assert Findings([check(0.5), check(1.0)], []).verdict == "PASS"
    assert Findings([check(0.5), check(1.1)], []).verdict == "NOT REPRODUCED"
    assert Findings([check(float("nan"))], []).verdict == "NOT REPRODUCED"
    assert Findings([check(2, informational=True)], []).verdict == "PASS"
    assert Findings([check(2, identity=True), check(2)], []).broken == [check(2, identity=True)]
