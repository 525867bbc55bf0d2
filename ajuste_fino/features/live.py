"""Images through the extractor whenever they are needed."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from ajuste_fino.data.images import changed
from ajuste_fino.data.loading import Batch, Labelled, Order, Pictures, loader
from ajuste_fino.data.scan import Sample
from ajuste_fino.data.transforms import Varying
from ajuste_fino.features.extractor import Extractor, stream
from ajuste_fino.features.views import Views

Progress = Callable[[Iterable, int, str], Iterator]


@dataclass(frozen=True)
class Work:
    """How a pass over pictures is done: where, how many at once, by how many decoding workers, and who shows it."""

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

    def loader(self, pictures: Pictures, order: Order) -> DataLoader[Batch]:
        return loader(pictures, order, self.processes, pin=self.device.type == "cuda")


class Live:
    """Images through the extractor whenever they are needed."""

    def __init__(self, extractor: Extractor, augmentation: Varying, work: Work) -> None:
        self.extractor, self.augmentation, self.work = extractor, augmentation, work
        self.body: nn.Module | None = extractor
        self.num_features = extractor.num_features

    def figures(self) -> dict[str, object]:
        return {"cache/hit": False}

    def warnings(self) -> list[str]:
        return []

    def pictures(self, samples: Sequence[Sample], looks: bool = False) -> Pictures:
        """The pictures of samples, in all their views."""
        contents = [sample.sha256 for sample in samples]
        views = Views(self.extractor.preprocessing, self.augmentation, contents)
        return Pictures([sample.path for sample in samples], views, contents, self.work.threads, looks)

    def compute(self, samples: Sequence[Sample], order: Order, looks: bool = False) -> Iterator[tuple[Tensor, Batch]]:
        """Features of the positions that `order` gives, with progress; the looks of the pictures too, if asked for."""
        batches = self.work.loader(self.pictures(samples, looks), order)
        yield from self.work.progress(stream(self.extractor, batches, self.work.device), len(order), "Extracting features")

    def training(self, samples: Sequence[Sample], targets: Sequence[int], _views: int) -> Dataset[tuple[Tensor, Tensor]]:
        """What a training step reads: uint8 images and targets."""
        return Labelled(self.pictures(samples), targets)

    def plain(self, samples: Sequence[Sample]) -> Iterator[Tensor]:
        """The features of the plain views in the samples' order, a batch (n, D) at a time."""
        for features, batch in self.compute(samples, Order(len(samples), self.work.batch_size)):
            refuse_changed(batch)
            yield features


def refuse_changed(batch: Batch) -> None:
    """A picture that was whole when it was checked must still be the same."""
    if batch.bad:
        raise changed(batch.bad[0][1])
