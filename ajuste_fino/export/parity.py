"""Whether an exported file says what the model says, measured on images."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ajuste_fino.classifier import probabilities
from ajuste_fino.data.content import BadImage
from ajuste_fino.data.images import quiet, read_image
from ajuste_fino.data.inputs import Source
from ajuste_fino.errors import AjusteFinoError, UserError, counted
from ajuste_fino.export.formats import Run
from ajuste_fino.predict import Predictor

TOLERANCE = 1e-3  # of a probability
STRETCHED = ((0.5, 0.5), (0.7, 1.0), (1.0, 0.7), (1.3, 0.9), (2.0, 2.0), (3.1, 1.0), (1.0, 3.1), (0.3, 0.2))  # sides
CLEAR = 0.002  # by how much the first label is ahead of the second where it must be the same


@dataclass(frozen=True)
class Parity:
    """How far the probabilities of a file are from those of the model, on `images` images.

    `labels` counts those whose label is another, `clear` those among them whose first two are more than 0.002 apart.
    """

    images: int
    largest: float
    labels: int
    clear: int

    @classmethod
    def of(cls, found: Tensor, wanted: Tensor) -> "Parity":
        """Compare (N, C) with (N, C)."""
        top = wanted.topk(min(2, wanted.shape[1])).values
        ahead = top[:, 0] - top[:, -1] > CLEAR
        other = found.argmax(1) != wanted.argmax(1)
        largest = float((found - wanted).abs().max()) if len(found) else 0.0
        return cls(len(found), largest, int(other.sum()), int((other & ahead).sum()))

    def metrics(self, name: str) -> dict[str, float]:
        labels = {f"{name}/labels_differ": self.labels, f"{name}/clear_labels_differ": self.clear}
        return {f"{name}/images": self.images, f"{name}/largest_difference": self.largest, **labels}

    def __str__(self) -> str:
        return f"largest difference {self.largest:.2g} in probability, {counted(self.labels, 'label')} of {self.images} differ"

    def require(self, name: str) -> None:
        """Refuse a file that is not the model.

        Raises:
            AjusteFinoError: where a probability, or a clear label, is another.
        """
        if not self.largest <= TOLERANCE or self.clear:  # nor is NaN
            raise AjusteFinoError(f"{name} is not what the model is: {self}, and {TOLERANCE} is allowed. Nothing was written.")


def arrays(sources: Iterable[Source], depth: int | None, key: str = "images") -> Iterator[np.ndarray]:
    """Decode images as `load_image` does, each to (H, W, 3) uint8.

    Raises:
        UserError: for the first that cannot be decoded, or is another than it was.
    """
    for source in sources:
        try:
            with quiet():
                image = read_image(source, None, depth)[1]
        except BadImage as bad:
            rule = f"has an image that cannot be decoded ({bad.reason})"
            raise UserError(key, rule, got=bad.path, fix="Pass images=FOLDER with others.") from bad
        yield np.array(image)


@torch.inference_mode()
def reference(predictor: Predictor, images: Sequence[np.ndarray]) -> Tensor:
    """The probabilities of a model in float32, by torch, (N, C)."""
    exact = predictor.extractor.at("fp32")
    pixels = torch.stack([predictor.preprocessing(Image.fromarray(image)) for image in images])
    return probabilities(predictor.head, [exact(pixels.to(predictor.device)).cpu()], predictor.temperature)


def outputs(run: Run, images: Sequence[np.ndarray]) -> Tensor:
    """The probabilities of a file, (N, C), image by image, since their sizes differ."""
    return torch.from_numpy(np.concatenate([run(image[None]) for image in images]))


def of_several_sizes(images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """The images; where all are of one size, the first of them again in others."""
    first, sizes = list[np.ndarray](), set()
    for image in images:
        sizes.add(image.shape)
        if len(first) < len(STRETCHED):
            first.append(image)
        yield image
    if len(sizes) == 1:
        for image, (across, down) in zip(first, STRETCHED, strict=False):
            side = [max(1, round(share * length)) for share, length in ((across, image.shape[1]), (down, image.shape[0]))]
            yield np.array(Image.fromarray(image).resize((side[0], side[1])))


def in_parts(images: Iterable[np.ndarray], size: int = 16) -> Iterator[list[np.ndarray]]:
    """A few images at a time."""
    part: list[np.ndarray] = []
    for image in images:
        part.append(image)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part
