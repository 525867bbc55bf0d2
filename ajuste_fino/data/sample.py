"""One image of a data set: where its bytes are, its label, its split."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from ajuste_fino.data.content import BadImage, Content

T = TypeVar("T")
SPLITS = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Sample:
    """One image: its content, the name relative to the root, its label, its split ("" until one is assigned).

    `group` names what it must not be parted from; `sha256` is the hash of its content, once that was read.
    """

    content: Content
    file: str
    label: str
    split: str = ""
    sha256: str = ""
    group: str = ""

    def read(self) -> bytes:
        """The content, which must have the hash it had when it was first read.

        Raises:
            BadImage: where it has another, or cannot be read.
        """
        content = self.content.read()
        if self.sha256 and hashlib.sha256(content).hexdigest() != self.sha256:
            raise BadImage(self, "its content is not what it was")
        return content

    def __str__(self) -> str:
        return self.file


def in_split(samples: Sequence[Sample], split: str) -> list[Sample]:
    return [sample for sample in samples if sample.split == split]


def count(samples: Sequence[Sample], labels: Sequence[str]) -> dict[str, dict[str, int]]:
    """How many images each class has in each split."""
    found = Counter((sample.label, sample.split) for sample in samples)
    return {label: {split: found[label, split] for split in SPLITS} for label in labels}


def evenly(items: Sequence[T], most: int) -> list[T]:
    """At most so many of the items, evenly over all of them in their order."""
    number = min(most, len(items))
    return [items[n * len(items) // number] for n in range(number)]
