"""Pictures decoded by threads or processes, a batch at a time, in an order that seed and epoch alone decide."""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from ajuste_fino.data.images import BadImage, Header, quiet, read_image
from ajuste_fino.data.look import Look, content_of

Source = Path | Image.Image


class Transform(Protocol):
    """From a picture to the pixels of one of its views."""

    def least(self, view: int) -> int:
        """How many px of the shorter side it makes use of: a large JPEG need not be decoded to more."""
        ...

    def __call__(self, image: Image.Image, index: int, view: int) -> Tensor:
        """RGB picture → (3, H, W) uint8."""
        ...


@dataclass(frozen=True)
class Batch:
    """(N, 3, H, W) uint8 pixels, the positions they have in the list of sources, and what is no picture.

    `looks` has those of plain views, by position, where they were asked for.
    """

    pixels: Tensor
    positions: list[int]
    looks: dict[int, Look]
    bad: list[tuple[int, BadImage]]

    def pin_memory(self) -> "Batch":
        return replace(self, pixels=self.pixels.pin_memory())


class Pictures(Dataset[Batch]):
    """Sources through a transform, a batch of positions at a time, decoded by as many threads.

    Position `view * N + index` is the view numbered `view` of the source numbered `index`; view 0 is the plain one.
    Views of one picture that follow each other are made from one decoding.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        transform: Transform,
        contents: Sequence[str] | None = None,
        threads: int = 1,
        looks: bool = False,
    ) -> None:
        self.sources, self.transform, self.contents = sources, transform, contents
        self.threads, self.looks = threads, looks

    def __getitem__(self, positions: list[int]) -> Batch:
        count = len(self.sources)
        groups = [list(group) for _, group in groupby(positions, lambda position: position % count)]
        seen = [one for group in self._each(groups) for one in group]
        good = [(position, look, pixels) for position, look, pixels in seen if isinstance(pixels, Tensor)]
        return Batch(
            torch.stack([pixels for *_, pixels in good]) if good else torch.empty(0, 3, 1, 1, dtype=torch.uint8),
            [position for position, *_ in good],
            {position: look for position, look, _ in good if look},
            [(position, error) for position, _, error in seen if isinstance(error, BadImage)],
        )

    def _each(self, groups: list[list[int]]) -> list[list[Any]]:
        with quiet():
            if self.threads < 2 or len(groups) < 2:
                return [self._views(group) for group in groups]
            with ThreadPoolExecutor(self.threads) as pool:  # to start two threads takes less than to decode a picture
                return list(pool.map(self._views, groups))

    def _views(self, positions: list[int]) -> list[tuple[int, Look | None, Tensor | BadImage]]:
        """Some views of one picture, each with its pixels, or with what is wrong with the file."""
        index, least = positions[0] % len(self.sources), 0
        views: list[tuple[int, Look | None, Tensor | BadImage]] = []
        for position in positions:
            view = position // len(self.sources)
            try:
                if least != self.transform.least(view):
                    least = self.transform.least(view)
                    stored, image = self._load(index, least)
                look = Look.at(stored, image) if self.looks and not view else None
                views.append((position, look, self.transform(image, index, view)))
            except BadImage as error:
                views.append((position, None, error))
        return views

    def _load(self, index: int, least: int) -> tuple[Header, Image.Image]:
        """The picture; where its content is known by hash, another content under its name is refused."""
        source = self.sources[index]
        if self.contents is None or isinstance(source, Image.Image):
            return read_image(source, least=least)
        return read_image(source, content_of(source, self.contents[index]), least)


class Labelled(Dataset[tuple[Tensor, Tensor]]):
    """Pictures with the numbers of their labels, for training on images: (N, 3, H, W) uint8, (N,)."""

    def __init__(self, pictures: Pictures, targets: Sequence[int]) -> None:
        self.pictures, self.targets = pictures, torch.tensor(targets)

    def __getitem__(self, positions: list[int]) -> tuple[Tensor, Tensor]:
        batch = self.pictures[positions]
        if batch.bad:  # it was whole when it was checked
            raise RuntimeError(f"{batch.bad[0][1]} (the file changed since the run began)")
        return batch.pixels, self.targets[torch.tensor(positions) % len(self.targets)]


class Order(Sampler[list[int]]):
    """Batches of positions; with a seed, shuffled by a permutation that depends on the seed and the epoch alone.

    With several views each picture's view is drawn anew every epoch, from the same seed. Lightning calls `set_epoch`
    before each epoch.
    """

    def __init__(self, count: int, batch_size: int, seed: int | None = None, views: int = 1) -> None:
        self.count, self.batch_size, self.seed, self.views, self.epoch = count, batch_size, seed, views, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self.count // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        positions = torch.arange(self.count) if self.seed is None else self._shuffled()
        for batch in positions.split(self.batch_size):
            yield batch.tolist()

    def _shuffled(self) -> Tensor:
        key = hashlib.sha256(f"order {self.seed} {self.epoch}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(key[:8], "big", signed=True))
        view = torch.randint(self.views, (self.count,), generator=generator)
        return torch.randperm(self.count, generator=generator) + view * self.count


def loader(dataset: Dataset[Any], order: Sampler[list[int]], workers: int = 0, pin: bool = False) -> DataLoader[Any]:
    """The dataset's batches in that order, made by `workers` processes of one thread each (0: by this one).

    The processes live as long as the loader: to start them anew for every epoch would take a second of each.
    `pin` puts them into memory that a CUDA device reads faster.
    """
    workers = min(workers, len(order))  # type: ignore[arg-type]
    keep = workers > 0
    return DataLoader(
        dataset, None, sampler=order, num_workers=workers, pin_memory=pin, persistent_workers=keep, generator=torch.Generator()
    )
