"""A learning curve of made features, and a forecast of made curves."""

import pytest
import torch

from ajuste_fino.choose.heads import basis
from ajuste_fino.insight.curve import MOST, PATIENCE, SHARES, Curve, affordable_draws, learning_curve
from ajuste_fino.insight.forecast import EXPONENTS, _fit, forecast


def clouds(n, classes=3, d=12, apart=1.2):
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(n) % classes
    return torch.randn(n, d, generator=generator) + apart * torch.randn(classes, d, generator=generator)[y], y


@pytest.fixture(scope="module")
def curve():
    x, y = clouds(300)
    return learning_curve(basis(x), y, [str(n) for n in range(200)], 3, 8, 0)


def test_a_curve_has_draws_of_each_share_and_rises(curve):
    assert curve.wrong.shape == (100, 33) and curve.shares == list(SHARES)
    assert curve.sizes == pytest.approx([20, 40, 80, 140, 200], abs=2)
    errors = curve.wrong.double().mean(0)
    assert errors[curve.share == 0.1].mean() > errors[curve.share == 1.0].mean()


def test_heads_in_parts_are_those_in_one(curve, monkeypatch):
    x, y = clouds(300)
    monkeypatch.setattr("ajuste_fino.insight.curve.MOST", 300 * 3 * 5)
    again = learning_curve(basis(x), y, [str(n) for n in range(200)], 3, 8, 0)
    assert MOST > 300 * 3 * 33 and (again.wrong != curve.wrong).double().mean() < 0.001
    assert torch.equal(again.images, curve.images)


@pytest.mark.parametrize("by_class", [True, False])
def test_what_belongs_together_is_drawn_together(monkeypatch, by_class):
    seen = []
    monkeypatch.setattr("ajuste_fino.insight.curve.logits", lambda x, y, s, c: seen.append(s) or torch.zeros(*s.shape, c))
    x, y = clouds(60)
    y = torch.arange(60) // 6 % 3
    learning_curve(basis(x), y, [str(n // 3) for n in range(48)], 3, 4, 0, by_class)
    (mask,) = seen
    assert not mask[48:].any()
    assert torch.equal(mask[0:48:3], mask[1:48:3]) and torch.equal(mask[0:48:3], mask[2:48:3])
    assert mask.any(0).all()


def test_many_images_get_fewer_draws():
    class Large:
        rows = torch.empty(1, device="meta").expand(10**6, 1000)

    assert affordable_draws(Large, 100, 16) == 4
    assert affordable_draws(basis(clouds(300)[0]), 3, 16) == 16
    assert PATIENCE > 0


@pytest.mark.parametrize(("a", "b", "c"), [(0.1, 0.3, 0.0), (0.1, 0.5, 0.05), (0.2, 1.0, 0.02), (0.0, 0.5, 0.0)])
def test_a_law_is_found_again(a, b, c):
    sizes = torch.tensor([0.1, 0.2, 0.4, 0.7, 1.0]).numpy()
    law = _fit(sizes, (a * sizes**-b + c)[None], c > 0)[0]
    assert law[0] * 2 ** -law[1] + law[2] == pytest.approx(a * 2**-b + c, abs=1e-3)
    assert law[0] >= 0 and law[2] >= 0 and EXPONENTS[0] <= law[1] <= EXPONENTS[-1]


def made(b, images=400, draws=16, noise=0.0):
    """A curve whose errors fall as 0.1 · n^−b, the same images being hard for all heads."""
    generator = torch.Generator().manual_seed(1)
    share = torch.tensor([one for one in SHARES[:-1] for _ in range(draws)] + [1.0], dtype=torch.float64)
    error = 0.1 * share**-b + noise * torch.randn(len(share), generator=generator) * (share < 1)
    hard = (torch.arange(images) + 0.5) / images
    return Curve(hard[:, None] < error, (share * 1000).long(), share)


@pytest.mark.parametrize("b", [0.2, 0.5])
def test_a_forecast_is_near_the_law_and_its_interval_holds_it(b):
    found = forecast(made(b, noise=0.004), 0)
    assert found.twice == pytest.approx(1 - 0.1 * 2**-b, abs=0.01)
    assert found.low < 1 - 0.1 * 2**-b < found.high
    assert found.now == pytest.approx(0.9, abs=0.003) and found.gain == found.twice - found.now
    assert forecast(made(b, noise=0.004), 0) == found


def test_more_noise_makes_a_wider_interval_and_it_stays_within_one():
    calm, wild = forecast(made(0.5), 0), forecast(made(0.5, noise=0.03), 0)
    assert wild.high - wild.low > calm.high - calm.low
    assert wild.high <= 1


@pytest.mark.parametrize("wrong", [0.0, 1.0])
def test_nothing_wrong_and_nothing_right(wrong):
    curve = made(0.5, images=20)
    found = forecast(curve._replace(wrong=torch.full_like(curve.wrong, bool(wrong))), 0)
    assert (found.now, found.twice) == pytest.approx((1 - wrong, 1 - wrong), abs=0.05)
