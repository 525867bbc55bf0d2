"""A linear head on features, trained for all folds at once."""

import torch
from torch import Tensor

from ajuste_fino.transferability import gram_eigen

PENALTY = 0.1  # on the squared weights, for standardised features of length about 1
STEPS = 60
SMALL = 1e-6  # deviation of a feature that says nothing


def out_of_fold(features: Tensor, targets: Tensor, folds: Tensor) -> Tensor:
    """The class that each image is given by a head that did not see its fold, (N,).

    The head is softmax regression with a penalty on its weights. Of the features it needs only the singular vectors, in which
    all folds take their steps together: Böhning's bound on the Hessian, ½ XᵀX, is diagonal there, and holds for the rows of
    each fold, being fewer. Mean and deviation are those of all rows; no label goes into them.

    Source: Böhning, "Multinomial Logistic Regression Algorithm", *Ann. Inst. Statist. Math.* 44, 1992; the momentum is that of
    Nesterov, "A method of solving a convex programming problem with convergence rate O(1/k²)", 1983.

    Args:
        features: (N, D).
        targets: (N,), numbers of classes from 0.
        folds: (N,), numbers of folds from 0.
    """
    values, u = gram_eigen(_standardised(features))
    x = torch.cat([u * values.sqrt(), torch.ones(len(u), 1)], 1).float()  # the last column is for the bias
    penalty = torch.tensor([*[PENALTY] * len(values), 0.0])[:, None, None]
    curvature = torch.cat([values, values.new_tensor([len(u)])]).float()[:, None, None] / 2 + penalty
    y = torch.nn.functional.one_hot(targets)[:, None].to(x)  # (N, 1, C)
    own = folds[:, None] == folds.unique()  # (N, K)
    seen = (~own).to(x)[..., None]
    w = ahead = x.new_zeros(x.shape[1], seen.shape[1], y.shape[2])  # (R + 1, K, C)
    for step in range(STEPS):
        error = (_scores(x, ahead).softmax(2) - y) * seen
        before, w = w, ahead - ((x.T @ error.flatten(1)).view_as(w) + penalty * ahead) / curvature
        ahead = w + step / (step + 3) * (w - before)
    return _scores(x, w)[own].argmax(1)


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
