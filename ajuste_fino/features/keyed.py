"""Features of images by content, the same whatever images are in the batch with them."""

from collections.abc import Collection, Generator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from ajuste_fino.console import log
from ajuste_fino.data.keyed import KeyedImages, Seen
from ajuste_fino.data.loading import LoaderConfig, loader
from ajuste_fino.data.order import EpochBatchSampler
from ajuste_fino.data.sample import Sample
from ajuste_fino.features.extractor import Extraction, Extractor
from ajuste_fino.features.images import beyond_depth


class Computed(NamedTuple):
    """What was seen of some samples, and the features (N, D) of the contents `keys`."""

    seen: list[Seen]
    keys: list[str]
    features: np.ndarray


class Runner(Protocol):
    """Computes the features of samples whose content is not known yet, in any order, each sample once."""

    def __call__(self, samples: Sequence[Sample], known: Collection[str]) -> Generator[Computed, None, None]: ...


class FixedExtraction(Extraction):
    """An extraction whose network always sees as many images at once; the last ones are filled up with copies.

    Of fewer images a library may sum in another order: a feature would depend on how the images were divided.
    """

    def __init__(self, extractor: Extractor, device: torch.device, batch_size: int) -> None:
        super().__init__(extractor, device)
        self.at_once: int = self.at_once or batch_size

    @torch.inference_mode()
    def __call__(self, inputs: Tensor) -> Tensor:
        lacking = -len(inputs) % self.at_once
        filled = torch.cat([inputs, inputs[-1:].expand(lacking, *inputs.shape[1:])]) if lacking else inputs
        return super().__call__(filled)[: len(inputs)]


class LocalRunner:
    """Computes features in this process, with progress."""

    def __init__(self, extractor: Extractor, loading: LoaderConfig) -> None:
        self.extractor, self.loading = extractor, loading

    def __call__(self, samples: Sequence[Sample], known: Collection[str]) -> Generator[Computed, None, None]:
        loading, beyond = self.loading, list[float]()
        extraction = FixedExtraction(self.extractor, loading.device, loading.batch_size)
        images = KeyedImages(samples, self.extractor.preprocessing, loading.threads, known)
        order = EpochBatchSampler(len(samples), loading.batch_size)
        batches = loader(images, order, loading.processes, pin=loading.device.type == "cuda")
        try:
            for batch in loading.progress(batches, len(order), "Extracting features"):
                beyond += batch.beyond
                yield Computed(batch.seen, batch.keys, rows_of(extraction, batch.pixels))
        finally:
            if beyond:
                log.warning(beyond_depth(beyond, self.extractor.preprocessing.depth))


def rows_of(extraction: Extraction, pixels: Tensor) -> np.ndarray:
    """The features of pixels as rows (N, D); of none, (0, 0)."""
    if not len(pixels):
        return np.empty((0, 0), np.float32)
    rows: np.ndarray = extraction(pixels).flatten(1).numpy()
    return rows
