"""A trained model at work: images in, labels out, from any working directory."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor

from ajuste_fino import bundle
from ajuste_fino.classifier import probabilities
from ajuste_fino.data.hashing import Progress
from ajuste_fino.data.images import SUFFIXES, BadImage, Content, ImageFile
from ajuste_fino.data.loading import ImageDataset, LoaderConfig, PlainView
from ajuste_fino.data.order import EpochBatchSampler
from ajuste_fino.data.scan import natural
from ajuste_fino.ensemble import Ensemble, disagreement
from ajuste_fino.errors import UserError
from ajuste_fino.features import Extraction, Extractor
from ajuste_fino.files import existing
from ajuste_fino.freezing import Frozen


@dataclass(frozen=True)
class Prediction:
    """A label, its probability, and the most probable labels with theirs, best first.

    Of an ensemble also how sure its members are together: the share of them that would say another label.
    """

    label: str
    probability: float
    top: list[tuple[str, float]]
    disagreement: float | None = None


class Scores(NamedTuple):
    """Of the good images in their order probabilities (N, C) and, of an ensemble, disagreement (N,); by position the bad."""

    probabilities: Tensor
    disagreement: Tensor | None
    bad: dict[int, BadImage]

    def of(self, row: int) -> tuple[Tensor, float | None]:
        """Of one image, its probabilities and the members' disagreement."""
        return self.probabilities[row], None if self.disagreement is None else float(self.disagreement[row])


def no_progress(items: Iterable, _total: int, _what: str) -> Iterator:
    """No progress is shown."""
    return iter(items)


class Predictor:
    """`predict` for one image or many; `labels` in the order of the logits."""

    def __init__(self, parts: bundle.Bundle, device: torch.device) -> None:
        self.labels, self.head, self.device = parts.labels, parts.head, device
        self.preprocessing = parts.preprocessing
        self.extractor = Extractor(Frozen(parts.backbone), parts.preprocessing, parts.precision)
        self.metrics: dict[str, Any] = {}

    def predict(self, source: Any, top_k: int = 5) -> Any:
        """A path, a PIL image or a list of them → a Prediction, or a list of them.

        Raises:
            BadImage: where one of them cannot be decoded.
        """
        if isinstance(source, str | os.PathLike | Image.Image):
            return self.predict([source], top_k)[0]
        sources = [one if isinstance(one, Image.Image) else ImageFile(Path(one)) for one in source]
        scores = self.scores(sources)
        if scores.bad:
            raise next(iter(scores.bad.values()))
        return [self.prediction(*scores.of(row), top_k) for row in range(len(sources))]

    def prediction(self, row: Tensor, disagreement: float | None, top_k: int) -> Prediction:
        """Probabilities (C,) → the prediction."""
        values, numbers = row.topk(min(top_k, len(self.labels)))
        top = [(self.labels[n], p) for n, p in zip(numbers.tolist(), values.tolist(), strict=True)]
        return Prediction(*top[0], top, disagreement)

    def scores(
        self, sources: Sequence[Content | Image.Image], batch_size: int = 64, workers: int = 0, progress: Progress = no_progress
    ) -> Scores:
        """What the model says of each image, and which of them cannot be decoded."""
        loading = LoaderConfig(self.device, batch_size, workers, progress)
        images = ImageDataset(sources, PlainView(self.preprocessing), loading.threads)
        order, extraction = EpochBatchSampler(len(sources), batch_size), Extraction(self.extractor, self.device)
        bad: dict[int, BadImage] = {}
        probable, disagreements = [torch.empty(0, len(self.labels))], [torch.empty(0)]
        for batch in progress(loading.batches(images, order), len(order), "Predicting"):
            features = extraction(batch.pixels)
            bad.update(batch.bad)
            if len(features):
                probable.append(probabilities(self.head, [features]))
                if isinstance(self.head, Ensemble):
                    disagreements.append(disagreement(self.head.logits(features)))
        return Scores(torch.cat(probable), torch.cat(disagreements) if isinstance(self.head, Ensemble) else None, bad)


def load(run: str | os.PathLike[str], accelerator: str = "auto", trust: Sequence[str] = ()) -> Predictor:
    """The model of a run folder or a bundle; packages in `trust` may have the class of its backbone.

    Raises:
        UserError: where there is none, or its files are damaged.
    """
    return Predictor(bundle.read(Path(run), trust), device(accelerator))


def device(accelerator: str) -> torch.device:
    """`auto`, `cpu`, `cuda`, `gpu` or `mps` → the device."""
    if accelerator in ("auto", "gpu"):
        found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        if found is None and accelerator == "gpu":
            raise UserError("trainer.accelerator", "asks for a GPU and there is none", got="gpu", fix="Pass cpu or auto.")
        return found or torch.device("cpu")
    try:
        torch.empty(0, device=accelerator)
    except (RuntimeError, AssertionError) as error:
        raise UserError("trainer.accelerator", "is not to be had here", got=accelerator, fix="Pass cpu or auto.") from error
    return torch.device(accelerator)


def images(value: str | Sequence[str]) -> list[Path]:
    """The images that `images=` names: a file, a folder (with all below it), or a list of them."""
    paths = [existing("images", one) for one in ([value] if isinstance(value, str) else value)]
    found = [image for path in paths for image in (_below(path) if path.is_dir() else [path])]
    if not found:
        raise UserError("images", "must name at least one image", got=value, fix=f"Images end in {', '.join(SUFFIXES)}.")
    return found


def _below(folder: Path) -> list[Path]:
    inside = (Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
    return sorted(
        (p for p in inside if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")), key=lambda p: natural(str(p))
    )
