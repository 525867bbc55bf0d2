"""Images that nothing is known of yet: read, hashed and decoded at once, each file a single time."""

import hashlib
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ajuste_fino.data.content import BadImage, ImageBytes
from ajuste_fino.data.depth import beyond_white
from ajuste_fino.data.images import quiet, read_image
from ajuste_fino.data.sample import Sample
from ajuste_fino.data.transforms import Preprocessing

UNREADABLE, UNDECODABLE = "unreadable files", "undecodable files"  # as an inspection calls them


class Seen(NamedTuple):
    """What became of a sample: the hash of its content, which kind of bad image it is, and why; "" where it is none.

    `key` is "" where its content could not be read.
    """

    position: int
    key: str
    kind: str = ""
    reason: str = ""


@dataclass(frozen=True)
class KeyedBatch:
    """What was seen, and the pixels (N, 3, H, W) uint8 of the contents `keys`; `beyond` are values above white."""

    seen: list[Seen]
    keys: list[str]
    pixels: Tensor
    beyond: list[float]

    def pin_memory(self) -> "KeyedBatch":
        return replace(self, pixels=self.pixels.pin_memory())


class KeyedImages(Dataset[KeyedBatch]):
    """The plain views of samples, a batch of positions at a time, read and decoded by as many threads.

    Args:
        known: contents whose pixels are not wanted; it may grow meanwhile.
    """

    def __init__(
        self, samples: Sequence[Sample], preprocessing: Preprocessing, threads: int, known: Collection[str] = ()
    ) -> None:
        self.samples, self.preprocessing, self.threads, self.known = samples, preprocessing, threads, known

    def __getitem__(self, positions: list[int]) -> KeyedBatch:
        with quiet():
            if self.threads < 2 or len(positions) < 2:
                found = [self._one(position) for position in positions]
            else:
                with ThreadPoolExecutor(self.threads) as pool:
                    found = list(pool.map(self._one, positions))
        pixels = {one.key: tensor for one, tensor, _ in found if tensor is not None}
        return KeyedBatch(
            [one for one, *_ in found],
            list(pixels),
            torch.stack(list(pixels.values())) if pixels else torch.empty(0, 3, 1, 1, dtype=torch.uint8),
            [beyond for *_, beyond in found if beyond],
        )

    def _one(self, position: int) -> tuple[Seen, Tensor | None, float | None]:
        sample, wanted = self.samples[position], self.preprocessing
        try:
            content = sample.read()
        except BadImage as bad:
            return Seen(position, "", UNREADABLE, bad.reason), None, None
        key = hashlib.sha256(content).hexdigest()
        if key in self.known:
            return Seen(position, key), None, None
        try:
            stored, image = read_image(ImageBytes(content, sample.file), wanted.min_size, wanted.depth)
            return Seen(position, key), wanted(image), beyond_white(stored.mode, stored.values, wanted.depth)
        except BadImage as bad:
            return Seen(position, key, UNDECODABLE, bad.reason), None, None
