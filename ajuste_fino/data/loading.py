"""Images decoded to pixels by threads or processes, a batch at a time."""

import os
import signal
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain, groupby, islice
from typing import Any, NamedTuple, Protocol

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from ajuste_fino.data.content import BadImage, Content
from ajuste_fino.data.decoding import Decoded, died
from ajuste_fino.data.depth import beyond_white
from ajuste_fino.data.hashing import Progress
from ajuste_fino.data.images import quiet, read_image
from ajuste_fino.data.info import ImageInfo
from ajuste_fino.data.order import EpochBatchSampler
from ajuste_fino.data.pixels import KeptPixels
from ajuste_fino.data.sample import Sample
from ajuste_fino.data.transforms import Preprocessing

AHEAD = 2  # batches that each process of a DataLoader has at work, as torch has it


class View(NamedTuple):
    """A view of an image: its position, its info where asked for, its pixels or what is wrong, a value above white."""

    position: int
    info: ImageInfo | None
    pixels: Tensor | BadImage
    beyond: float | None = None


class Transform(Protocol):
    """From an image to the pixels of one of its views; `depth` is that of `load_image`."""

    @property
    def depth(self) -> int | None: ...

    def min_size(self, view: int) -> int:
        """How many px of the shorter side it makes use of: a large JPEG need not be decoded to more."""
        ...

    def __call__(self, image: Image.Image, index: int, view: int) -> Tensor:
        """RGB image → (3, H, W) uint8."""
        ...


class PlainView:
    """The plain view of an image, the only one that evaluation needs."""

    def __init__(self, preprocessing: Preprocessing) -> None:
        self.preprocessing = preprocessing

    @property
    def depth(self) -> int | None:
        return self.preprocessing.depth

    def min_size(self, view: int) -> int:
        return self.preprocessing.min_size

    def __call__(self, image: Image.Image, index: int, view: int) -> Tensor:
        return self.preprocessing(image)


@dataclass(frozen=True)
class Batch:
    """(N, 3, H, W) uint8 pixels, the positions they have in the list of sources, and what is no image.

    `infos` has those of plain views, by position, where they were asked for; `beyond` the largest value of each image that has
    integers above white, of plain views as well.
    """

    pixels: Tensor
    positions: list[int]
    infos: dict[int, ImageInfo]
    bad: list[tuple[int, BadImage]]
    beyond: list[float]

    def pin_memory(self) -> "Batch":
        return replace(self, pixels=self.pixels.pin_memory())


class ImageDataset(Dataset[Batch]):
    """Sources through a transform, a batch of positions at a time, decoded by as many threads.

    Position `view * N + index` is the view numbered `view` of the source numbered `index`; view 0 is the plain one.
    Views of one image that follow each other are made from one decoding; where `kept` is given, they are made of its images,
    but the plain one where there are others.
    """

    def __init__(
        self,
        sources: Sequence[Content | Image.Image],
        transform: Transform,
        threads: int = 1,
        infos: bool = False,
        kept: KeptPixels | None = None,
    ) -> None:
        self.sources, self.transform, self.threads, self.infos, self.kept = sources, transform, threads, infos, kept

    def __getitem__(self, positions: list[int]) -> Batch:
        count = len(self.sources)
        groups = [list(group) for _, group in groupby(positions, lambda position: position % count)]
        views = [view for group in self._each(groups) for view in group]
        good = [view for view in views if not isinstance(view.pixels, BadImage)]
        pixels = [view.pixels for view in views if isinstance(view.pixels, Tensor)]
        return Batch(
            torch.stack(pixels) if pixels else torch.empty(0, 3, 1, 1, dtype=torch.uint8),
            [view.position for view in good],
            {view.position: view.info for view in good if view.info},
            [(view.position, view.pixels) for view in views if isinstance(view.pixels, BadImage)],
            [view.beyond for view in good if view.beyond],
        )

    def _each(self, groups: list[list[int]]) -> list[list[View]]:
        with quiet():
            if self.threads < 2 or len(groups) < 2:
                return [self._views(group) for group in groups]
            with ThreadPoolExecutor(self.threads) as pool:  # to start two threads takes less than to decode an image
                return list(pool.map(self._views, groups))

    def _views(self, positions: list[int]) -> list[View]:
        """Some views of one image, each with its pixels, or with what is wrong with the file."""
        index, min_size = positions[0] % len(self.sources), 0
        views: list[View] = []
        for position in positions:
            view = position // len(self.sources)
            try:
                if self.kept is not None and (view or self.kept.plain):
                    views.append(View(position, None, self.transform(self.kept[index], index, view)))
                    continue
                if min_size != (wanted := self.transform.min_size(view)):
                    stored, image = read_image(self.sources[index], wanted, self.transform.depth)
                    min_size = wanted  # not before: what is no image is none in its next view either
                info = ImageInfo.of(stored, image) if self.infos and not view else None
                beyond = None if view else beyond_white(stored.mode, stored.values, self.transform.depth)
                views.append(View(position, info, self.transform(image, index, view), beyond))
            except BadImage as error:
                views.append(View(position, None, error))
        return views


class LabelledImageDataset(Dataset[tuple[Tensor, Tensor]]):
    """Images with the numbers of their labels, for training on images: (N, 3, H, W) uint8, (N,)."""

    def __init__(self, images: ImageDataset, targets: Sequence[int]) -> None:
        self.images, self.targets = images, torch.tensor(targets)

    def __getitem__(self, positions: list[int]) -> tuple[Tensor, Tensor]:
        batch = self.images[positions]
        if batch.bad:  # it was whole when it was checked
            raise RuntimeError(f"{batch.bad[0][1]} (the file changed since the run began)")
        return batch.pixels, self.targets[torch.tensor(positions) % len(self.targets)]


@dataclass(frozen=True)
class LoaderConfig:
    """How a pass over images is done: on which device, how many at once, by how many decoding workers, and who shows it."""

    device: torch.device
    batch_size: int
    workers: int
    progress: Progress

    @property
    def threads(self) -> int:
        """A backbone on the CPU and the decoding share the cores: they take turns, and threads decode.

        Processes that decode beside it would take the cores from the backbone's threads, which then wait for each other.
        """
        return max(self.workers, 1) if self.device.type == "cpu" else 1

    @property
    def processes(self) -> int:
        """Beside a GPU, processes decode while it computes."""
        return 0 if self.device.type == "cpu" else self.workers

    def batches(self, images: ImageDataset, order: EpochBatchSampler) -> Generator[Batch, None, None]:
        """Decode the images of `order`, a batch at a time.

        Raises:
            AjusteFinoError: where a decoding process dies, with the files that it may have had.
        """
        done = 0
        try:
            for batch in loader(images, order, self.processes, pin=self.device.type == "cuda"):
                yield batch
                done += 1
        except (RuntimeError, OSError, EOFError) as error:
            if not (self.processes and _by_death(error)):
                raise
            at_work = chain.from_iterable(islice(order, done, done + AHEAD * self.processes))
            raise died([str(images.sources[position % len(images.sources)]) for position in at_work]) from error


def _by_death(error: Exception) -> bool:
    """Whether a process of a DataLoader died: torch says so, or what it was just sending has no end; not what it raised."""
    text = str(error)
    return "DataLoader worker (pid" in text if isinstance(error, RuntimeError) else "DataLoader worker process" not in text


def decode_pixels(
    samples: Sequence[Sample], preprocessing: Preprocessing, config: LoaderConfig
) -> Generator[Decoded, None, None]:
    """Decode samples to infos and pixels, a batch at a time."""
    contents = [sample.sha256 for sample in samples]
    images = ImageDataset(samples, PlainView(preprocessing), config.threads, infos=True)
    order = EpochBatchSampler(len(samples), config.batch_size)
    for batch in config.progress(config.batches(images, order), len(order), "Extracting features"):
        infos = {contents[position]: info for position, info in batch.infos.items()}
        bad = {contents[position]: error.reason for position, error in batch.bad}
        yield Decoded(infos, bad, [contents[position] for position in batch.positions], batch.pixels)


def loader(dataset: Dataset[Any], order: Sampler[Any], workers: int = 0, pin: bool = False) -> DataLoader[Any]:
    """The dataset's batches in that order, made by `workers` processes of one thread each (0: by this one).

    The processes live as long as the loader: to start them anew for every epoch would take a second of each.
    `pin` puts them into memory that a CUDA device reads faster.
    """
    workers = min(workers, len(order))  # type: ignore[arg-type]
    processes: dict[str, Any] = {"persistent_workers": True, "worker_init_fn": _leave_stops_to_the_parent} if workers else {}
    return DataLoader(
        dataset, None, sampler=order, num_workers=workers, pin_memory=pin, generator=torch.Generator(), **processes
    )


def _leave_stops_to_the_parent(_worker: int) -> None:
    """A signal to all processes of a terminal stops the run, which ends its workers.

    Of a worker that dies of a signal torch complains, of one that ends in order it does not; and it must end, since the
    parent waits for its end before its own.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: os._exit(0))
