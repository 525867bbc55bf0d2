"""LogME against the same evidence, computed directly and made largest by a general optimiser, and by scikit-learn."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.stats import multivariate_normal
from sklearn.linear_model import BayesianRidge

from ajuste_fino.transferability import gram_eigen, logme

SHAPES = [(40, 6), (15, 40), (30, 30)]


def drawn(n, d):
    generator = torch.Generator().manual_seed(n)
    y = torch.randint(0, 3, (n,), generator=generator)
    f = torch.randn(n, d, generator=generator, dtype=torch.float64).relu()
    f[:, 0] += y
    return f, y


def direct(f, y):
    """log N(y; 0, I / β + F Fᵀ / α) at the best α and β."""

    def negative(logs):
        alpha, beta = np.exp(logs)
        return -multivariate_normal.logpdf(y, np.zeros(len(y)), np.eye(len(y)) / beta + f @ f.T / alpha)

    starts = ([0, 0], [3, 3], [5, 1])
    tight = {"xatol": 1e-9, "fatol": 1e-11, "maxiter": 4000}
    return max(-minimize(negative, start, method="Nelder-Mead", options=tight).fun for start in starts)


@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_it_is_the_largest_evidence(n, d):
    f, y = drawn(n, d)
    best = [direct(f.numpy(), (y == k).double().numpy()) for k in range(3)]
    assert logme(f, y) == pytest.approx(np.mean(best) / n, abs=1e-7)


@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_bayesian_ridge_comes_to_the_same(n, d):
    f, y = drawn(n, d)
    flat = {"alpha_1": 0, "alpha_2": 0, "lambda_1": 0, "lambda_2": 0}
    ridge = BayesianRidge(fit_intercept=False, compute_score=True, tol=1e-10, max_iter=5000, **flat)
    scores = [ridge.fit(f.numpy(), (y == k).double().numpy()).scores_[-1] for k in range(3)]
    assert logme(f, y) == pytest.approx(np.mean(scores) / n, abs=1e-7)


def test_labels_that_features_tell_have_more_evidence_than_others_and_names_do_not_matter():
    f, y = drawn(200, 10)
    assert logme(f, y) > logme(f, y[torch.randperm(200, generator=torch.Generator().manual_seed(0))])
    assert logme(f, y) == pytest.approx(logme(f, 7 - y))


def test_what_cannot_be_told_and_what_is_told_exactly_are_finite():
    y = torch.arange(20) % 2
    for f in (torch.zeros(20, 3), torch.nn.functional.one_hot(y).float(), torch.eye(20)):
        assert np.isfinite(logme(f, y))


@pytest.mark.parametrize(("n", "d"), [(12, 5), (5, 12)])
def test_singular_vectors_of_the_smaller_side(n, d):
    x, _ = drawn(n, d)
    x[:, -1] = x[:, 0]
    values, u = gram_eigen(x)
    assert torch.allclose(u * values @ u.T, x @ x.T)
    assert torch.allclose(u.T @ u, torch.eye(len(values), dtype=u.dtype), atol=1e-6)
    assert len(values) == torch.linalg.matrix_rank(x)
