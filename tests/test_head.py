import pytest
import torch

from ajuste_fino.errors import UserError
from ajuste_fino.features import statistics
from ajuste_fino.head import Head, HeadShape


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
