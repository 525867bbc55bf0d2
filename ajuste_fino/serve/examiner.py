"""All that is said of one image: its labels, where the model looks, the training images that are most like it."""

import threading
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ajuste_fino.attribution import is_installed, relevance
from ajuste_fino.escape import printable
from ajuste_fino.predict import Prediction, Predictor
from ajuste_fino.report.heat import laid_over
from ajuste_fino.report.thumbnails import small
from ajuste_fino.serve.neighbours import Neighbours

TOP = 5  # labels
NEAREST = 6
SIDE = 320  # px, of the images that are shown


@dataclass(frozen=True)
class Examined:
    """What is said of an image; `heat` and `nearest` are empty where they cannot be had."""

    prediction: Prediction
    heat: Image.Image | None
    nearest: list[tuple[Image.Image, str]]


class Examiner:
    """A model that answers one request at a time.

    Args:
        neighbours: the training images; None where they are not there.
    """

    def __init__(self, predictor: Predictor, neighbours: Neighbours | None) -> None:
        self.predictor, self.neighbours, self.lock = predictor, neighbours, threading.Lock()

    def predict(self, image: Any) -> Prediction:
        """The prediction of an image, as `Predictor.predict` takes it.

        Raises:
            BadImage: where it cannot be decoded.
        """
        with self.lock:
            prediction: Prediction = self.predictor.predict(image, TOP)
        return prediction

    def examine(self, image: Any) -> Examined:
        """All that is said of it.

        Raises:
            BadImage: where it cannot be decoded.
        """
        prediction = self.predict(image)
        with self.lock:
            pixels = self.predictor.pixels(image)
            return Examined(prediction, self._heat(pixels, prediction.label), self._nearest(pixels))

    def _heat(self, pixels: Tensor, label: str) -> Image.Image | None:
        if not is_installed():
            return None
        predictor = self.predictor
        x = predictor.preprocessing.normalise(pixels.to(predictor.device))
        target = torch.tensor([predictor.labels.index(label)])
        heat = relevance(predictor.extractor.backbone.module, predictor.head, x, target)
        return None if heat is None else laid_over(pixels[0], heat[0].cpu())

    def _nearest(self, pixels: Tensor) -> list[tuple[Image.Image, str]]:
        if self.neighbours is None:
            return []
        with torch.inference_mode():
            features = self.predictor.extractor(pixels.to(self.predictor.device))[0].cpu()
        found = [sample for sample, _ in self.neighbours.nearest(features, NEAREST)]
        pictures = zip(small(found, SIDE), found, strict=True)
        return [(image, printable(sample.label)) for image, sample in pictures if image is not None]
