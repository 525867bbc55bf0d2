"""Linear heads on features, many trained at once: for all folds, or on parts of the images."""

from typing import NamedTuple

import torch
from torch import Tensor

from ajuste_fino.transferability import gram_eigen

PENALTY = 0.1  # on the squared weights, for standardised features of length about 1
STEPS = 60
SMALL = 1e-6  # deviation of a feature that says nothing


class Basis(NamedTuple):
    """What heads need of N features: rows (N, R + 1) in the singular vectors, a last column for the bias, and σ² (R,)."""

    rows: Tensor
    values: Tensor


def basis(features: Tensor) -> Basis:
    """Features (N, D), standardised, in their singular vectors. Mean and deviation are those of all rows; no label goes in."""
    values, u = gram_eigen(_standardised(features))
    return Basis(torch.cat([u * values.sqrt(), torch.ones(len(u), 1)], 1).float(), values)


def out_of_fold(features: Tensor, targets: Tensor, folds: Tensor) -> Tensor:
    """The class that each image is given by a head that did not see its fold, (N,).

    Args:
        features: (N, D).
        targets: (N,), numbers of classes from 0.
        folds: (N,), numbers of folds from 0.
    """
    return logits_out_of_fold(basis(features), targets, folds, int(targets.max()) + 1).argmax(1)


def logits_out_of_fold(x: Basis, targets: Tensor, folds: Tensor, classes: int) -> Tensor:
    """Of each image the logits of the head that did not see its fold, (N, C); arguments as those of `out_of_fold`."""
    own = folds[:, None] == folds.unique()  # (N, K)
    return logits(x, targets, ~own, classes)[own]


def logits(x: Basis, targets: Tensor, seen: Tensor, classes: int) -> Tensor:
    """Train K heads, each on the rows that it may see; the logits of all rows, (N, K, C).

    A head is softmax regression with a penalty on its weights. In the singular vectors all heads take their steps together:
    Böhning's bound on the Hessian, ½ XᵀX, is diagonal there, and holds for the rows of each head, being fewer.

    Source: Böhning, "Multinomial Logistic Regression Algorithm", *Ann. Inst. Statist. Math.* 44, 1992; the momentum is that of
    Nesterov, "A method of solving a convex programming problem with convergence rate O(1/k²)", 1983.

    Args:
        targets: (N,), numbers of classes from 0.
        seen: (N, K), of bool.
    """
    rows, values = x
    penalty = torch.tensor([*[PENALTY] * len(values), 0.0])[:, None, None]
    curvature = torch.cat([values, values.new_tensor([len(rows)])]).float()[:, None, None] / 2 + penalty
    y = torch.nn.functional.one_hot(targets, classes)[:, None].to(rows)  # (N, 1, C)
    counted = seen.to(rows)[..., None]
    w = ahead = rows.new_zeros(rows.shape[1], seen.shape[1], classes)  # (R + 1, K, C)
    for step in range(STEPS):
        error = (_scores(rows, ahead).softmax(2) - y) * counted
        before, w = w, ahead - ((rows.T @ error.flatten(1)).view_as(w) + penalty * ahead) / curvature
        ahead = w + step / (step + 3) * (w - before)
    return _scores(rows, w)


def _standardised(features: Tensor) -> Tensor:
    """Mean 0 and deviation 1, then divided by √D, so that a row has a length of about 1."""
    x = features.double()
    x = x - x.mean(0)
    deviation = x.square().mean(0).sqrt()
    kept = deviation > SMALL * deviation.max()
    if not kept.any():  # whatever is on the images, they are all the same to the network
        return x[:, :1]
    return x[:, kept] / (deviation[kept] * int(kept.sum()) ** 0.5)


def _scores(x: Tensor, w: Tensor) -> Tensor:
    """(N, R), (R, K, C) → (N, K, C)."""
    return (x @ w.flatten(1)).view(len(x), *w.shape[1:])
