"""The inputs of training, from cached features or from images; nothing else in the code knows which of the two."""

from collections.abc import Collection, Generator, Iterator, Sequence
from typing import NamedTuple, Protocol

from torch import Tensor, nn
from torch.utils.data import Dataset

from ajuste_fino.data.content import BadImage, changed
from ajuste_fino.data.decoding import Decoded
from ajuste_fino.data.loading import LoaderConfig
from ajuste_fino.data.sample import Sample
from ajuste_fino.data.transforms import Preprocessing


class FeatureBatch(NamedTuple):
    """Features (n, *shape) of the samples at these n positions, and by position what is no image."""

    features: Tensor
    positions: list[int]
    bad: dict[int, BadImage]


class FeatureSource(Protocol):
    """The inputs of training and of evaluation, for samples with the hash of their content."""

    body: nn.Module | None
    num_features: int
    workers: int
    pixel_config: tuple[Preprocessing, LoaderConfig] | None
    stop_note: str | None  # for whoever stops `extract`

    def example(self) -> Tensor:
        """Zeros in the shape and type of what `train_set` gives for one sample: (1, …)."""
        ...

    def missing(self, contents: Sequence[str]) -> Collection[str]:
        """The contents whose pixels `extract` wants."""
        ...

    def extract(self, stream: Generator[Decoded, None, None]) -> Generator[Decoded, None, None]:
        """Hands decoded images on; of those that come with pixels the features are kept."""
        ...

    def train_set(self, samples: Sequence[Sample], targets: Sequence[int], views: int) -> Dataset[tuple[Tensor, Tensor]]:
        """Inputs of `body` (or of the head) and targets, a batch of positions at a time; view v of sample n is v · N + n."""
        ...

    def features_of(self, samples: Sequence[Sample]) -> Iterator[Tensor]:
        """The inputs of the head for the plain views, in the samples' order, a batch (n, D) at a time."""
        ...

    def metrics(self) -> dict[str, object]: ...

    def warnings(self) -> list[str]:
        """What the user should know."""
        ...


def refuse_changed(batch: FeatureBatch) -> None:
    """An image that was whole when it was checked must still be the same."""
    if batch.bad:
        raise changed(next(iter(batch.bad.values())))
