import pytest
import torch

from ajuste_fino.errors import UserError
from ajuste_fino.features import statistics
from ajuste_fino.head import Head, HeadShape, bounded


def kinds(head):
    return [type(layer).__name__ for layer in head.layers]


def test_the_layers():
    assert kinds(Head(HeadShape(8, 3))) == ["Dropout", "Linear"]
    head = Head(HeadShape(8, 3, dropout=0.2, hidden=5))
    assert kinds(head) == ["Dropout", "Linear", "ReLU", "Dropout", "Linear"]
    assert (head.layers[0].p, head.layers[3].p) == (0.2, 0.5)
    assert head(torch.rand(4, 8)).shape == (4, 3)


@pytest.mark.parametrize("wrong", [{"dropout": 1.0}, {"dropout": -0.1}, {"hidden_dropout": 2}, {"hidden": -1}])
def test_impossible_heads_are_refused(wrong):
    with pytest.raises(UserError, match=f"head.{next(iter(wrong))} must be"):
        HeadShape(8, 3, **wrong)


def test_standardise_is_that_of_the_training_set():
    x = torch.randn(500, 6) * torch.tensor([1, 2, 3, 4, 5, 0.0]) + 100
    head = Head(HeadShape(6, 2))
    head.standardise.set(*statistics(x.split(64)))
    z = head.standardise(x)
    assert torch.allclose(z.mean(0), torch.zeros(6), atol=1e-4)
    assert torch.allclose(z[:, :5].std(0, correction=0), torch.ones(5), atol=1e-4)
    assert torch.isfinite(z).all()  # the constant feature too
    assert "standardise.mean" in head.state_dict()


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_a_channel_that_is_nearly_always_silent_is_not_blown_up(scale):
    x = torch.randn(500, 6) * scale
    x[:, 5] = 0
    x[0, 5] = scale
    mean, std = statistics(x.split(64))
    head = Head(HeadShape(6, 2))
    head.standardise.set(mean, bounded(std))
    z = head.standardise(x)
    assert torch.allclose(z[:, :5].std(0, correction=0), torch.ones(5), atol=1e-4)
    assert z[:, 5].abs().max() < 5  # 22 of its own deviations


def test_features_that_are_all_constant_stay_finite():
    mean, std = statistics(torch.ones(9, 3).split(4))
    head = Head(HeadShape(3, 2))
    head.standardise.set(mean, bounded(std))
    assert head.standardise(torch.ones(2, 3)).isfinite().all()
