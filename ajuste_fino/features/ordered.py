"""Features in the order of their samples, some of them from disk and some just computed."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain

import torch
from torch import Tensor

from ajuste_fino.data.content import BadImage
from ajuste_fino.features.source import FeatureBatch

REST = FeatureBatch(torch.empty(0), [], {})


def in_order(
    count: int, size: int, computed: Iterator[FeatureBatch], stored: Callable[[Sequence[int]], Tensor]
) -> Iterator[FeatureBatch]:
    """Batches of at most `size` of all positions from 0 to `count`.

    Args:
        computed: of some of the positions, in ascending order. What lies before a batch of them is handed on as soon as the
            batch is there.
        stored: gives the features of the other positions.
    """
    fresh: dict[int, Tensor] = {}
    bad: dict[int, BadImage] = {}
    start = 0
    for batch in chain(computed, [REST]):
        fresh.update(zip(batch.positions, batch.features, strict=True))
        bad |= batch.bad
        end = 1 + max([*batch.positions, *batch.bad], default=count - 1)
        while start < end:
            positions = range(start, min(start + size, end))
            yield _joined(positions, fresh, bad, stored)
            start = positions.stop


def _joined(
    positions: range, fresh: dict[int, Tensor], bad: dict[int, BadImage], stored: Callable[[Sequence[int]], Tensor]
) -> FeatureBatch:
    """Take what is known of these positions; the features that were just computed are no longer in `fresh`."""
    good = [position for position in positions if position not in bad]
    rest = [position for position in good if position not in fresh]
    found = dict(zip(rest, stored(rest), strict=True)) | {p: fresh.pop(p) for p in good if p in fresh}
    features = torch.stack([found[position] for position in good]) if good else stored([])
    return FeatureBatch(features, good, {position: bad[position] for position in positions if position in bad})
