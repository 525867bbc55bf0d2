import json
from dataclasses import replace
from math import log

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from ajuste_fino import bundle, load
from ajuste_fino.calibration import HIGHEST, LOWEST, calibrate, ece, fit_temperature
from ajuste_fino.ensemble import Ensemble
from ajuste_fino.errors import Diverged, UserError
from ajuste_fino.files import read_csv
from ajuste_fino.head import Head, HeadShape, probabilities
from tests.test_bundle import edited, put


def drawn(scale, count=4000, classes=5, seed=0):
    """Logits that are `scale` times those by which the classes were drawn: their temperature is about `scale`."""
    generator = torch.Generator().manual_seed(seed)
    true = 2 * torch.randn(count, classes, generator=generator)
    return scale * true, torch.multinomial(true.softmax(1), 1, generator=generator)[:, 0]


@pytest.mark.parametrize("scale", [0.2, 1, 3])
def test_the_temperature_by_which_logits_are_too_large_is_found(scale):
    logits, y = drawn(scale)
    found = fit_temperature(logits, y)
    assert found == pytest.approx(scale, rel=0.1) and found == fit_temperature(logits, y)
    best = cross_entropy(logits.double() / found, y)
    assert all(best < cross_entropy(logits.double() / (found * factor), y) for factor in (0.99, 1.01))


@pytest.mark.parametrize("scale", [0.2, 3])
def test_calibration_makes_the_error_smaller(scale):
    logits, y = drawn(scale)
    _, metrics = calibrate(nn.Identity(), logits.split(999), y)
    assert metrics["val/ece"] < 0.03 < 0.1 < metrics["val/ece_before"]
    assert metrics["calibration/temperature"] == pytest.approx(scale, rel=0.1)


@pytest.mark.parametrize(
    ("logits", "y"),
    [
        (torch.empty(0, 3), torch.empty(0, dtype=torch.long)),
        (torch.randn(4, 1), torch.zeros(4, dtype=torch.long)),
        (torch.ones(4, 3), torch.tensor([0, 1, 2, 0])),
    ],
    ids=["no image", "one class", "equal logits"],
)
def test_where_every_temperature_is_as_good_it_is_1(logits, y):
    assert fit_temperature(logits, y) == 1
    assert calibrate(nn.Identity(), [logits], y)[0] == 1


@pytest.mark.parametrize("count", [10, 1000])
def test_where_no_image_is_wrong_as_sure_as_that_many_images_allow(count):
    logits = torch.tensor([[1.0, -1]]).repeat(count, 1)
    found = fit_temperature(logits, torch.zeros(count, dtype=torch.long))
    assert 1 - float((logits[0] / found).softmax(0)[0]) == pytest.approx(1 / (count + 2), rel=1e-4)


@pytest.mark.parametrize(("logits", "y", "bound"), [([[1e-3, 0]], 0, LOWEST), ([[0, 1e3]], 0, HIGHEST)])
def test_it_is_bounded(logits, y, bound):
    assert fit_temperature(torch.tensor(logits), torch.tensor([y])) == pytest.approx(bound)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_logits_that_are_no_numbers_are_told(bad):
    with pytest.raises(Diverged, match="not finite"):
        fit_temperature(torch.tensor([[bad, 0]]), torch.tensor([0]))


def test_the_calibration_error_is_the_distance_of_confidence_and_accuracy():
    p = torch.tensor([[0.7, 0.3]] * 10)
    assert ece(p, torch.tensor([0] * 7 + [1] * 3)) == pytest.approx(0, abs=1e-6)
    assert ece(p, torch.zeros(10, dtype=torch.long)) == pytest.approx(0.3)
    assert ece(torch.ones(3, 1), torch.zeros(3, dtype=torch.long)) == 0


@pytest.mark.parametrize("temperature", [0.05, 0.3, 1.7, 20])
@pytest.mark.parametrize("gap", [1e-9, 1e-7, 1e-6, 1])
def test_no_label_changes_not_even_where_probabilities_are_nearly_equal(temperature, gap):
    logits = torch.randn(2000, 4, generator=torch.Generator().manual_seed(0))
    logits[:1000] = 1 + gap * logits[:1000]
    plain, scaled = (probabilities(nn.Identity(), logits.split(300), t) for t in (1.0, temperature))
    assert torch.equal(plain.argmax(1), scaled.argmax(1)) and torch.equal(plain.argmax(1), scaled.topk(2).indices[:, 0])
    torch.testing.assert_close(scaled, (logits / temperature).softmax(1))


def test_of_an_ensemble_the_mean_is_scaled():
    bag, x = Ensemble(HeadShape(6, 3), 5).eval(), torch.randn(20, 6, generator=torch.Generator().manual_seed(1))
    mean = bag.logits(x).softmax(2).mean(0)
    torch.testing.assert_close(probabilities(bag, [x], 2.0), mean.sqrt() / mean.sqrt().sum(1, keepdim=True))
    torch.testing.assert_close(probabilities(bag, [x]), mean)
    assert LOWEST <= calibrate(bag, [x], torch.arange(20) % 3)[0] <= HIGHEST


def test_a_temperature_of_1_changes_no_bit():
    head, x = Head(HeadShape(6, 3)).eval(), torch.randn(20, 6)
    with torch.inference_mode():
        assert torch.equal(probabilities(head, [x]), head(x).softmax(1))


@pytest.fixture
def plain(run, tmp_path):
    """The run's model without its temperature."""
    bundle.write(replace(bundle.read(run[0]), temperature=1.0), tmp_path / "plain")
    return tmp_path / "plain"


@pytest.fixture
def warm(run, tmp_path):
    """The run's model at a temperature of 2.5."""
    bundle.write(replace(bundle.read(run[0]), temperature=2.5), tmp_path / "warm")
    return tmp_path / "warm"


def test_a_bundle_keeps_it_and_an_earlier_release_refuses_it(plain, warm):
    assert (bundle.read(warm).temperature, bundle.read(plain).temperature) == (2.5, 1.0)
    metadata, other = (json.loads((folder / "bundle.json").read_text()) for folder in (warm, plain))
    assert (metadata["temperature"], metadata["format"]) == (2.5, bundle.FORMAT_OF_MORE)
    assert ("temperature" in other, other["format"]) == (False, bundle.FORMAT)


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), 1e-300, "2", None, [1], True])
def test_a_temperature_that_is_none_is_refused(warm, value):
    edited(warm, put("temperature", value=value))
    with pytest.raises(UserError, match="temperature must be a number"):
        bundle.read(warm)


def test_predict_and_evaluate_divide_by_it_and_no_label_changes(run, plain, warm, cli, tmp_path):
    images = run[0].parent / "photos"
    first, scaled = (load(folder).predict(images) for folder in (plain, warm))
    assert [one.label for one in first] == [one.label for one in scaled]
    for one, other in zip(first, scaled, strict=True):
        a, b = one.top[:2]
        c, d = other.top[:2]
        assert log(c[1] / d[1]) == pytest.approx(log(a[1] / b[1]) / 2.5, abs=1e-4)
    code, _, err = cli("evaluate", f"run={warm}", f"data.root={images}", f"out={tmp_path / 'e'}", "workers=0")
    assert code == 0, err
    rows = {row["file"]: float(row["probability"]) for row in read_csv(tmp_path / "e" / "predictions_eval.csv")}
    expected = {str(one.file).removeprefix(f"{images}/"): one.probability for one in scaled}
    assert rows == pytest.approx({file: expected[file] for file in rows}, abs=2e-6)
