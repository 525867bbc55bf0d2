"""The statistics that several experiments judge by."""

from collections.abc import Sequence

import torch


def rank_correlation(x: Sequence[float], y: Sequence[float]) -> float:
    """Spearman's ρ, from −1 to 1.

    Floating point: where ρ is 0.8 by algebra, 0.7999999999999999 may come out, so a band must not start at such a value.
    """
    from scipy.stats import spearmanr

    return float(spearmanr(x, y)[0])


def standard_errors(differences: Sequence[float]) -> float:
    """The mean of paired differences, in standard errors: Student's t."""
    values = torch.tensor(differences, dtype=torch.float64)
    return float(values.mean() / (values.std() / len(values) ** 0.5))
