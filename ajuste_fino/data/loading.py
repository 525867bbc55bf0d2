"""Pictures decoded in worker processes, a batch at a time, in an order that seed and epoch alone decide."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from ajuste_fino.data.images import BadImage, load_image

Source = Path | Image.Image


@dataclass(frozen=True)
class Batch:
    """(N, 3, H, W) uint8 pixels, the positions they have in the list of sources, and the sources that are no pictures."""

    pixels: Tensor
    positions: list[int]
    bad: list[tuple[int, BadImage]]

    def pin_memory(self) -> "Batch":
        return Batch(self.pixels.pin_memory(), self.positions, self.bad)


class Pictures(Dataset[Batch]):
    """Sources through `transform(picture, index, view)`, a batch of positions at a time.

    Position `view * N + index` is the view numbered `view` of the source numbered `index`; view 0 is the plain one.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        transform: Callable[[Image.Image, int, int], Tensor],
        contents: Sequence[str] | None = None,
    ) -> None:
        self.sources, self.transform, self.contents = sources, transform, contents

    def __getitem__(self, positions: list[int]) -> Batch:
        good, pixels, bad = [], [torch.empty(0, 3, 1, 1, dtype=torch.uint8)], []
        for position in positions:
            view, index = divmod(position, len(self.sources))
            try:
                pixels.append(self.transform(self._load(index), index, view)[None])
                good.append(position)
            except BadImage as error:
                bad.append((position, error))
        return Batch(torch.cat(pixels[1:] or pixels), good, bad)

    def _load(self, index: int) -> Image.Image:
        """The picture; where its content is known by hash, another content under its name is refused."""
        source = self.sources[index]
        if self.contents is None or isinstance(source, Image.Image):
            return load_image(source)
        try:
            content = source.read_bytes()
        except OSError as error:
            raise BadImage(source, error.strerror or str(error)) from error
        if hashlib.sha256(content).hexdigest() != self.contents[index]:
            raise BadImage(source, "its content is not what it was")
        return load_image(source, content)


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
