"""Which images the candidates are judged on."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence

from ajuste_fino.data.group import groups
from ajuste_fino.data.names import natural
from ajuste_fino.data.sample import Sample

LEAST = 2  # images of a class, or groups of them: one to learn from, one to be judged by


def draw(samples: Sequence[Sample], images: int, seed: int) -> list[Sample]:
    """Draw about so many images, each class in its share but with at least two of each; of copies, one.

    The draw is decided by the contents of a class and the seed, so that names and order do not matter. All of the images where
    there are no more.
    """
    of_class: dict[str, dict[str, Sample]] = defaultdict(dict)
    for sample in samples:
        of_class[sample.label].setdefault(sample.sha256, sample)
    share = min(1.0, images / max(sum(map(len, of_class.values())), 1))
    drawn = []
    for label in sorted(of_class, key=natural):
        contents = of_class[label]
        order = sorted(contents, key=lambda content: hashlib.sha256(f"choose {seed} {content}".encode()).digest())
        drawn += [contents[content] for content in order[: max(round(share * len(order)), LEAST)]]
    return drawn


def too_few(samples: Sequence[Sample]) -> list[str]:
    """The classes of which no head can be judged: of one image, or all of them in one group."""
    units: dict[str, set[str]] = defaultdict(set)
    for sample, unit in zip(samples, groups(samples), strict=True):
        units[sample.label].add(unit)
    return sorted((label for label in units if len(units[label]) < LEAST), key=natural)
