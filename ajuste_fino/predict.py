"""A trained model at work: pictures in, labels out, from any working directory."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ajuste_fino import bundle
from ajuste_fino.classifier import probabilities
from ajuste_fino.data.images import SUFFIXES, BadImage
from ajuste_fino.data.loading import Order, Pictures, Source
from ajuste_fino.data.scan import natural
from ajuste_fino.errors import UserError
from ajuste_fino.features import Extractor, Plain, Progress, Work, stream
from ajuste_fino.files import existing
from ajuste_fino.freezing import Frozen


@dataclass(frozen=True)
class Prediction:
    """A label, its probability, and the most probable labels with theirs, best first."""

    label: str
    probability: float
    top: list[tuple[str, float]]


def quiet(items: Iterable, _total: int, _what: str) -> Iterator:
    """No progress is shown."""
    return iter(items)


class Predictor:
    """`predict` for one picture or many; `labels` in the order of the logits."""

    def __init__(self, parts: bundle.Bundle, device: torch.device) -> None:
        self.labels, self.head, self.device = parts.labels, parts.head, device
        self.preprocessing = parts.preprocessing
        self.extractor = Extractor(Frozen(parts.backbone), parts.preprocessing, parts.precision)
        self.metrics: dict[str, Any] = {}

    def predict(self, source: Any, top_k: int = 5) -> Any:
        """A path, a PIL picture or a list of them → a Prediction, or a list of them.

        Raises:
            BadImage: where one of them cannot be decoded.
        """
        if isinstance(source, str | os.PathLike | Image.Image):
            return self.predict([source], top_k)[0]
        sources = [one if isinstance(one, Image.Image) else Path(one) for one in source]
        scores, bad = self.probabilities(sources)
        if bad:
            raise next(iter(bad.values()))
        return [self.prediction(row, top_k) for row in scores]

    def prediction(self, row: Tensor, top_k: int) -> Prediction:
        """Probabilities (C,) → the prediction."""
        values, numbers = row.topk(min(top_k, len(self.labels)))
        top = [(self.labels[n], p) for n, p in zip(numbers.tolist(), values.tolist(), strict=True)]
        return Prediction(*top[0], top)

    def probabilities(
        self, sources: Sequence[Source], batch_size: int = 64, workers: int = 0, progress: Progress = quiet
    ) -> tuple[Tensor, dict[int, BadImage]]:
        """Probabilities (N, C) of the good pictures in their order, and by position those that cannot be decoded."""
        work = Work(self.device, batch_size, workers, progress)
        pictures, order = Pictures(sources, Plain(self.preprocessing), threads=work.threads), Order(len(sources), batch_size)
        bad: dict[int, BadImage] = {}
        scores = [torch.empty(0, len(self.labels))]
        batches = stream(self.extractor, work.loader(pictures, order), self.device)
        for features, batch in progress(batches, len(order), "Predicting"):
            bad.update(batch.bad)
            if len(features):
                scores.append(probabilities(self.head, [features]))
        return torch.cat(scores), bad


def load(run: str | os.PathLike[str], accelerator: str = "auto", trust: Sequence[str] = ()) -> Predictor:
    """The model of a run folder or a bundle; packages in `trust` may have the class of its backbone.

    Raises:
        UserError: where there is none, or its files are damaged.
    """
    return Predictor(bundle.read(Path(run), trust), device(accelerator))


def device(accelerator: str) -> torch.device:
    """`auto`, `cpu`, `cuda`, `gpu` or `mps` → the device."""
    if accelerator in ("auto", "gpu"):
        kind = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        if kind is None and accelerator == "gpu":
            raise UserError("trainer.accelerator", "asks for a GPU and there is none", got="gpu", fix="Pass cpu or auto.")
        return kind or torch.device("cpu")
    try:
        torch.empty(0, device=accelerator)
    except (RuntimeError, AssertionError) as error:
        raise UserError("trainer.accelerator", "is not to be had here", got=accelerator, fix="Pass cpu or auto.") from error
    return torch.device(accelerator)


def images(value: str | Sequence[str]) -> list[Path]:
    """The pictures that `images=` names: a file, a folder (with all below it), or a list of them."""
    paths = [existing("images", one) for one in ([value] if isinstance(value, str) else value)]
    found = [picture for path in paths for picture in (_below(path) if path.is_dir() else [path])]
    if not found:
        raise UserError("images", "must name at least one picture", got=value, fix=f"Pictures end in {', '.join(SUFFIXES)}.")
    return found


def _below(folder: Path) -> list[Path]:
    inside = (Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
    return sorted(
        (p for p in inside if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")), key=lambda p: natural(str(p))
    )
