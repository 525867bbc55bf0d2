"""`data.folds`: split the same images several times, so that each is tested once by a head that never saw it."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ajuste_fino.data.group import groups, stratified_group_split
from ajuste_fino.data.names import natural
from ajuste_fino.data.sample import Sample
from ajuste_fino.data.split import split
from ajuste_fino.errors import UserError

KEY = "data.folds"


def folds(samples: Sequence[Sample], count: int, val: float, seed: int) -> Iterator[list[Sample]]:
    """Split the samples `count` times: the fold is `test`, the others are `train` and, a share `val` of them, `val`.

    Folds are stratified by class; copies of an image, and groups, are not parted. Source: Hastie, Tibshirani and
    Friedman, *The Elements of Statistical Learning*, 2009, section 7.10.

    Raises:
        UserError: where there are not enough images, or groups, to divide.
    """
    _refuse(samples, count)
    numbers = fold_numbers(samples, count, seed)
    for fold in range(count):
        held = [replace(sample, split="test") for sample, n in zip(samples, numbers, strict=True) if n == fold]
        rest = [replace(sample, split="") for sample, n in zip(samples, numbers, strict=True) if n != fold]
        yield split(rest, val, 0.0, seed) + held


def _refuse(samples: Sequence[Sample], count: int) -> None:
    what = "groups" if any(sample.group for sample in samples) else "different images"
    of_class: dict[str, set[str]] = defaultdict(set)
    for sample, unit in zip(samples, groups(samples), strict=True):
        of_class[sample.label].add(unit)
    sizes = Counter({label: len(held) for label, held in of_class.items()})
    few = sorted((label for label in sizes if sizes[label] < 2), key=natural)
    if few:
        fix = "Bring more of them, or leave data.folds out."
        raise UserError(KEY, f"needs at least two {what} of every class", got=f"one of {', '.join(few)}", fix=fix)
    if count > max(sizes.values()):
        fix = f"No class has more than {max(sizes.values())} {what} outside of the test split."
        raise UserError(KEY, f"must not be larger than the number of {what} of a class", got=count, fix=fix)


def fold_numbers(samples: Sequence[Sample], count: int, seed: int) -> list[int]:
    """The fold of each sample, from 0; copies of an image, and groups, are in one."""
    names = groups(samples)
    if any(sample.group for sample in samples):
        sides = stratified_group_split(samples, {str(fold): 1 / count for fold in range(count)}, seed)
        return [int(sides[unit]) for unit in names]
    of_class: dict[str, set[str]] = defaultdict(set)
    for sample in samples:
        of_class[sample.label].add(sample.sha256)
    order = [
        content
        for label in sorted(of_class)
        for content in sorted(of_class[label], key=lambda content: hashlib.sha256(f"{seed} {content}".encode()).digest())
    ]
    fold = {content: place % count for place, content in enumerate(order)}  # the next class goes on where one ended
    return [fold[unit] for unit in names]
