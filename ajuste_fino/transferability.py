"""How well features would serve a new head, told without training one: LogME, the evidence of linear models.

Source: You, Liu, Wang and Long, "LogME: Practical Assessment of Pre-trained Models for Transfer Learning", ICML 2021, section 4
and algorithm 3. Letters are the paper's.
"""

import math

import torch
from torch import Tensor

STEPS = 100  # of the fixed point, which takes about ten
CLOSE = 1e-5  # relative change of α / β at which it has come to rest
TINY = 1e-12


def logme(features: Tensor, targets: Tensor) -> float:
    """The log evidence of a linear model for each class against the rest, at its best α and β, by image; their mean.

    Larger is better; only values of the same images can be compared.

    Args:
        features: (N, D), as the backbone gives them.
        targets: (N,), numbers of classes; each has an image.
    """
    eigenvalues, u = gram_eigen(features)
    y = torch.nn.functional.one_hot(targets.unique(return_inverse=True)[1]).double()
    return float(log_evidence(eigenvalues, u.T @ y, y.square().sum(0), *features.shape).mean()) / len(features)


def gram_eigen(x: Tensor) -> tuple[Tensor, Tensor]:
    """Of rows (N, D) the squares σ² of the R singular values that are not 0, and the left singular vectors (N, R).

    They are those of the smaller of x xᵀ and xᵀ x, in double precision.
    """
    x = x.double()
    wide = x.shape[1] > x.shape[0]
    values, vectors = torch.linalg.eigh(x @ x.T if wide else x.T @ x)
    kept = values > values[-1].clamp(min=TINY) * max(x.shape) * torch.finfo(x.dtype).eps
    values, vectors = values[kept], vectors[:, kept]
    return values, vectors if wide else x @ vectors / values.sqrt()


def log_evidence(eigenvalues: Tensor, z: Tensor, squares: Tensor, n: int, dimensions: int) -> Tensor:
    """log p(y | F, α, β) of each column of y, at the α and β that make it largest.

    The model: w ~ N(0, α⁻¹ I), y ~ N(F w, β⁻¹ I). With the singular values σ of F = U Σ Vᵀ and z = Uᵀ y, each step sets
    γ = Σ βσ² / (α + βσ²), α = γ / mᵀm, β = (n − γ) / ‖Fm − y‖², where m is the posterior mean of w.

    Args:
        eigenvalues: (R,), σ².
        z: (R, C).
        squares: (C,), yᵀy.
        n: rows of F.
        dimensions: columns of F.
    """
    s = eigenvalues[:, None]
    alpha, beta = torch.ones_like(squares), torch.ones_like(squares)
    outside = (squares - z.square().sum(0)).clamp(min=0)  # of y, what no w can reach
    for _ in range(STEPS):
        shrunk = alpha + beta * s
        gamma = (beta * s / shrunk).sum(0)
        mm, residual = _fit(s, z, alpha, beta, outside)
        before = alpha / beta
        alpha, beta = _within(gamma, mm), _within(n - gamma, residual)
        if bool(((alpha / beta - before).abs() <= CLOSE * before).all()):
            break
    mm, residual = _fit(s, z, alpha, beta, outside)
    log_det = (alpha + beta * s).log().sum(0) + (dimensions - len(s)) * alpha.log()
    fitted = n * beta.log() + dimensions * alpha.log() - n * math.log(2 * math.pi)
    return (fitted - beta * residual - alpha * mm - log_det) / 2


def _within(above: Tensor, below: Tensor) -> Tensor:
    """A quotient, kept finite and above 0: without a signal α grows without bound, without noise β does."""
    return (above / below.clamp(min=TINY)).clamp(TINY, 1 / TINY)


def _fit(s: Tensor, z: Tensor, alpha: Tensor, beta: Tensor, outside: Tensor) -> tuple[Tensor, Tensor]:
    """mᵀm and ‖Fm − y‖² of the posterior mean m, by the singular values."""
    shrunk = alpha + beta * s
    return (beta.square() * s * z.square() / shrunk.square()).sum(0), (alpha * z / shrunk).square().sum(0) + outside
