"""Label smoothing, mixed targets and the weights of classes together, for either implementation of cross-entropy."""

import pytest
import torch
from torch.nn import functional as F

from ajuste_fino.implementation import implementation
from ajuste_fino.losses import losses
from ajuste_fino.mixing import Mix

WEIGHTS = torch.tensor([0.5, 3.0, 1.0])
Y = torch.tensor([0, 1, 2, 1, 0])
LOGITS = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
SOFT = torch.softmax(torch.randn(5, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64), 1)
HARD = F.one_hot(Y, 3).double()


@pytest.fixture(params=["scratch", "torch"])
def cross_entropy(request):
    return implementation(request.param, "nn.functional", "head.impl").cross_entropy


def by_hand(logits, q, weights=None, smoothing=0.0):
    """(1/N) Σ_n (Σ_c q[n, c] w[c]) · −Σ_c ((1 − s) q[n, c] + s / C) log p[n, c]."""
    each = -(((1 - smoothing) * q + smoothing / q.shape[1]) * logits.log_softmax(1)).sum(1)
    return (each if weights is None else each * (q @ weights.to(q.dtype))).mean()


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize(("targets", "q"), [(Y, HARD), (SOFT, SOFT), (HARD, HARD)])
def test_the_loss_of_training_is_the_formula_and_so_is_its_gradient(cross_entropy, targets, q, weights, smoothing):
    x, other = (LOGITS.clone().requires_grad_() for _ in range(2))
    found, wanted = losses(cross_entropy, weights, smoothing)[0](x, targets), by_hand(other, q, weights, smoothing)
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(torch.autograd.grad(found, x), torch.autograd.grad(wanted, other))


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("balanced", [False, True])
def test_that_of_validation_is_weighted_and_never_smoothed(cross_entropy, weights, smoothing, balanced):
    torch.testing.assert_close(
        losses(cross_entropy, weights, smoothing, balanced)[1](LOGITS, Y), by_hand(LOGITS, HARD, weights)
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("targets", [Y, SOFT])
def test_an_order_that_is_balanced_is_not_balanced_twice(cross_entropy, targets, smoothing):
    q = HARD if targets is Y else SOFT
    found = losses(cross_entropy, WEIGHTS, smoothing, balanced=True)[0](LOGITS, targets)
    torch.testing.assert_close(found, by_hand(LOGITS, q, None, smoothing))


def test_without_any_of_it_cross_entropy_stays_as_it_is(cross_entropy):
    assert losses(cross_entropy, None) == (cross_entropy, cross_entropy)


def test_probabilities_that_are_certain_count_as_the_classes_do(cross_entropy):
    for smoothing in (0.0, 0.1):
        loss = losses(cross_entropy, WEIGHTS, smoothing)[0]
        torch.testing.assert_close(loss(LOGITS, HARD), loss(LOGITS, Y))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_targets_of_a_mixed_batch_are_taken(cross_entropy, dtype):
    x, targets = Mix(3, mixup=0.4)(torch.rand(5, 3), Y, 1)
    for weights in (None, WEIGHTS):
        assert torch.isfinite(losses(cross_entropy, weights, 0.1)[0](x.to(dtype), targets))
