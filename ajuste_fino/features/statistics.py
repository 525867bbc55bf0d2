"""Mean and spread of features, for the head to standardise them."""

from collections.abc import Iterable

import torch
from torch import Tensor


def statistics(batches: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (D,) over all rows, in float64, a batch at a time."""
    count, total, squares = 0, torch.zeros(()), torch.zeros(())
    shift = None
    for batch in batches:
        x = batch.double()
        shift = x.mean(0) if shift is None else shift  # against cancellation where the mean is far from zero
        count, total, squares = count + len(x), total + (x - shift).sum(0), squares + (x - shift).square().sum(0)
    if shift is None:
        raise ValueError("statistics of no rows")
    variance = squares / count - (total / count).square()
    return (shift + total / count).float(), variance.clamp(min=0).sqrt().float()
