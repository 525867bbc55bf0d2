"""Logistic regression by scikit-learn, for comparison: the linear layer of a head, fitted at once instead of in epochs."""

import warnings
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

STEPS = 1000  # of L-BFGS, at most


class LinearFit(NamedTuple):
    """Weights (C, D) and biases (C,) of a linear layer, and whether the fit ended before its steps did."""

    weight: Tensor
    bias: Tensor
    converged: bool


def fits(x: Tensor, y: Tensor, num_classes: int, strengths: Sequence[float], sample_weight: Tensor) -> Iterator[LinearFit]:
    """For each C minimise C times the sum of the weighted cross-entropies plus half the sum of the squared weights.

    The biases have no penalty. Each fit begins where the one before ended, so that small strengths should come first.

    Args:
        x: (N, D), standardised.
        y: (N,), with at least two different classes. A class without an example is given no weight and a low bias.
        strengths: scikit-learn's `C`, the inverse of the penalty's strength.
        sample_weight: (N,).
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    model = LogisticRegression(max_iter=STEPS, warm_start=True)
    for c in strengths:
        model.set_params(C=c)
        # one thread: several wait for each other, beside other processes a hundred times as long as they compute
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # told by `converged`
            model.fit(x.numpy(), y.numpy(), sample_weight=sample_weight.numpy())
        weight, bias = (torch.from_numpy(values).float() for values in (model.coef_, model.intercept_))
        if len(model.classes_) == 2:  # scikit-learn has one row: the logit of the second class against the first
            weight, bias = torch.cat([-weight, weight]) / 2, torch.cat([-bias, bias]) / 2
        there = torch.from_numpy(model.classes_).long()
        yield LinearFit(*_with_absent(weight, bias, there, num_classes, len(y)), int(model.n_iter_.max()) < STEPS)


def _with_absent(weight: Tensor, bias: Tensor, there: Tensor, num_classes: int, count: int) -> tuple[Tensor, Tensor]:
    """Rows for all classes: those that were not there are as improbable as one example in `count` makes them."""
    weights = torch.zeros(num_classes, weight.shape[1])
    biases = (bias.min() - torch.tensor(float(count)).log()).repeat(num_classes)
    weights[there], biases[there] = weight, bias
    return weights, biases
