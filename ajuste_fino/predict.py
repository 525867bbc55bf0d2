"""A trained model at work: images in, labels out, from any working directory."""

import json
import os
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ajuste_fino import bundle
from ajuste_fino.backbone.blocks import PREFIX
from ajuste_fino.data.content import BadImage, ImageFile
from ajuste_fino.data.hashing import Progress
from ajuste_fino.data.inputs import Source, sources
from ajuste_fino.data.loading import ImageDataset, LoaderConfig, PlainView
from ajuste_fino.data.multiview import MultiView
from ajuste_fino.ensemble import Ensemble, disagreement
from ajuste_fino.errors import UserError
from ajuste_fino.features import Extractor, FeatureBatch, serve, serve_views
from ajuste_fino.features.engine import engine_for
from ajuste_fino.files import existing
from ajuste_fino.freezing import Frozen
from ajuste_fino.head import probabilities
from ajuste_fino.model_card import ModelCard
from ajuste_fino.trust import packages


@dataclass(frozen=True)
class Prediction:
    """A label, its probability, and the most probable labels with theirs, best first.

    Of an ensemble also how sure its members are together: the share of them that would say another label. `file` is the
    path of an image that is a file. `distance` says how far the image is from those that were trained on, see `novelty`; above
    1 it is `unknown`, less like them than 95 % of the validation images, and the label is the nearest there is. Both are None
    where the model was made by a release without them.
    """

    label: str
    probability: float
    top: list[tuple[str, float]]
    disagreement: float | None = None
    file: str | None = field(default=None, compare=False)
    unknown: bool | None = None
    distance: float | None = None


class Scores(NamedTuple):
    """Probabilities (n, C) of the images at n positions; by position the bad images.

    Of an ensemble also disagreement (n,), and distance (n,) where the model can tell unknown images.
    """

    positions: list[int]
    probabilities: Tensor
    disagreement: Tensor | None
    bad: dict[int, BadImage]
    distance: Tensor | None = None

    def of(self, row: int) -> tuple[Tensor, float | None, float | None]:
        """Of one image, its probabilities, the members' disagreement and its distance."""
        numbers = [None if column is None else float(column[row]) for column in (self.disagreement, self.distance)]
        return self.probabilities[row], *numbers  # type: ignore[return-value]

    @classmethod
    def joined(cls, parts: Sequence["Scores"]) -> "Scores":
        """One of several, of one at least."""
        first, bad = parts[0], {position: one for part in parts for position, one in part.bad.items()}
        columns = [
            None if getattr(first, name) is None else torch.cat([getattr(part, name) for part in parts])
            for name in ("disagreement", "distance")
        ]
        positions = [position for part in parts for position in part.positions]
        return cls(positions, torch.cat([part.probabilities for part in parts]), columns[0], bad, columns[1])


def no_progress(items: Iterable, _total: int, _what: str) -> Iterator:
    """No progress is shown."""
    return iter(items)


class Predictor:
    """A trained model: `predict` names what is on images.

    Attributes:
        labels: in the order of the logits.
        extractor: pixels (N, 3, size, size), as `pixels` makes them, on `device` → features (N, D). It normalises them itself.
        preprocessing: the one resize, and the normalisation that the weights expect.
        head: features (N, D) → logits (N, C).
        run: the run folder it was loaded from; None: a bundle alone.
        split: the SHA-256 of its run's `split.csv`, where the model has it.
        engine: what computed the features that the head learnt from, torch or openvino.
        temperature: what the logits are divided by before softmax, see `calibration`.
        augmentation: what the model keeps of the augmentation that it was trained with, for `tta`.
        novelty: by which it tells unknown images; None: it cannot.
        origin: whose the weights of its backbone are, and their licence, where that is known.
    """

    def __init__(self, parts: bundle.Bundle, device: torch.device, run: Path | None = None) -> None:
        self.labels, self.head, self.device, self.run = parts.labels, parts.head, device, run
        self.preprocessing, self.spec, self.split = parts.preprocessing, parts.backbone.spec, parts.split
        self.origin, self.engine, self.temperature = parts.backbone.origin, parts.engine, parts.temperature
        self.augmentation, self.novelty = parts.augmentation, parts.novelty
        self.extractor = Extractor(Frozen(parts.backbone), parts.preprocessing, parts.precision).to(device).eval()

    @property
    def is_ensemble(self) -> bool:
        """Whether it has several heads, which may disagree."""
        return isinstance(self.head, Ensemble)

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """The metrics of its run, by the names of `metrics.json`; empty where there is no run folder."""
        path = self.run / "metrics.json" if self.run else None
        return json.loads(path.read_text(encoding="utf-8")) if path and path.is_file() else {}

    def predict(self, images: Any, top_k: int = 5, tta: int | None = None) -> Any:
        """An image → a Prediction; a list, a folder or a pattern → a list of them.

        Of images that a cache does not know, a warning tells those with values above what the model's `data.depth` reads.

        Args:
            images: a path, bytes, a file object, a PIL image, an array, a tensor, or a list of these; `data.inputs` has the
                rule. Of 16 bits of colour a PIL image has the upper 8 only: where the model has a `data.depth`, pass the file.
            top_k: how many labels each prediction names.
            tta: how many views of each image are averaged, which takes as many times as long; None: the plain one alone.

        Raises:
            UserError: for what is no image by that rule, or views that the model's augmentation does not give.
            BadImage: for the first image that cannot be decoded.
        """
        top_k = _whole(top_k)
        found = sources(images)
        many = found if isinstance(found, list) else [found]
        scores = self.scores(many, workers=torch.get_num_threads() if self.device.type == "cpu" else 0, tta=tta)
        if scores.bad:
            raise scores.bad[min(scores.bad)]
        predictions = [self.prediction(*scores.of(row), top_k, source) for row, source in enumerate(many)]
        return predictions if isinstance(found, list) else predictions[0]

    def prediction(
        self, row: Tensor, disagreement: float | None, distance: float | None, top_k: int, source: object = None
    ) -> Prediction:
        """Probabilities (C,) → the prediction."""
        values, numbers = row.topk(min(top_k, len(self.labels)))
        top = [(self.labels[n], p) for n, p in zip(numbers.tolist(), values.tolist(), strict=True)]
        file = str(source.path) if isinstance(source, ImageFile) else None
        return Prediction(*top[0], top, disagreement, file, None if distance is None else distance > 1, distance)

    def pixels(self, images: Any) -> Tensor:
        """Images, as `predict` takes them → what the network sees of them, (N, 3, size, size) uint8.

        Raises:
            UserError: for what is no image.
            BadImage: for the first image that cannot be decoded.
        """
        found = sources(images)
        many = found if isinstance(found, list) else [found]
        batch = ImageDataset(many, PlainView(self.preprocessing))[list(range(len(many)))]
        if batch.bad:
            raise batch.bad[0][1]
        return batch.pixels.view(len(many), 3, self.preprocessing.size, self.preprocessing.size)

    def multiview(self, tta: int | None) -> MultiView | None:
        """The views of an image that `tta` averages; None: the plain one alone.

        Raises:
            UserError: where the model's augmentation does not give as many.
        """
        return None if tta is None else MultiView(self.preprocessing, self.augmentation, tta)

    def scores(
        self,
        images: Sequence[Source],
        batch_size: int = 64,
        workers: int = 0,
        progress: Progress = no_progress,
        tta: int | None = None,
    ) -> Scores:
        """What the model says of all images, and which of them cannot be decoded."""
        apart, distance = (torch.empty(0) if there else None for there in (self.is_ensemble, self.novelty is not None))
        none = Scores([], torch.empty(0, len(self.labels)), apart, {}, distance)
        return Scores.joined([none, *self.batches(images, batch_size, workers, progress, tta)])

    def batches(
        self,
        images: Sequence[Source],
        batch_size: int = 64,
        workers: int = 0,
        progress: Progress = no_progress,
        tta: int | None = None,
    ) -> Generator[Scores, None, None]:
        """The scores of one batch of images after the other, in their order; the feature cache serves more than 64.

        With `tta`, means over the views of each image, whose features are not cached.

        Raises:
            UserError: at once, where the model's augmentation does not give as many views.
        """
        loading, views = LoaderConfig(self.device, batch_size, workers, progress), self.multiview(tta)
        engine = engine_for(self.extractor, self.engine, self.device)
        if views is None:
            return self._scored(serve(images, self.extractor, loading, engine), 1)
        return self._scored(serve_views(images, views, self.extractor, loading, engine), views.count)

    def features(
        self, images: Sequence[Source], batch_size: int = 64, workers: int = 0, progress: Progress = no_progress
    ) -> Iterator[FeatureBatch]:
        """What the head sees of images, a batch at a time; the feature cache serves a run's own."""
        loading = LoaderConfig(self.device, batch_size, workers, progress)
        return serve(images, self.extractor, loading, engine_for(self.extractor, self.engine, self.device))

    def _scored(self, batches: Iterable[FeatureBatch], views: int) -> Generator[Scores, None, None]:
        for batch in batches:
            features = batch.features if batch.positions else torch.empty(0, self.head.shape.num_features)
            apart = disagreement(self.head.logits(features)) if isinstance(self.head, Ensemble) else None
            found = probabilities(self.head, [features], self.temperature)
            distance = self.distances(features[::views])  # of the plain views, as its threshold is
            apart = None if apart is None else _mean(apart, views)
            yield Scores(batch.positions, _mean(found, views), apart, batch.bad, distance)

    def distances(self, features: Tensor) -> Tensor | None:
        """Features (N, D) → (N,), how far they are from those of the training images, unknown above 1; None: it cannot tell."""
        return None if self.novelty is None else self.novelty.distances(self.head.standardise(features))

    @property
    def card(self) -> ModelCard:
        layer = f" up to {self.spec.layer.removeprefix(PREFIX)}" if self.spec.layer else ""
        curves = self.run / "plots" / "learning_curves.png" if self.run else None
        precision = f"{self.extractor.precision} on {self.device}"
        name = f"{self.spec.name}{layer}"
        return ModelCard(name, self.preprocessing.size, precision, self.labels, self.metrics, curves, self.origin)

    def __repr__(self) -> str:
        return self.card.line()

    def _repr_html_(self) -> str:
        return self.card.html()


def _mean(rows: Tensor, views: int) -> Tensor:
    """(n · views, …) → (n, …)."""
    return rows if views == 1 else rows.unflatten(0, (-1, views)).mean(1)


def _whole(top_k: Any) -> int:
    """How many labels are asked for."""
    rule, fix = "must be a whole number of at least 1", "Pass for example top_k=3."
    if isinstance(top_k, Integral) and not isinstance(top_k, bool):
        if top_k < 1:
            raise UserError("top_k", rule, got=int(top_k), fix=fix)
        return int(top_k)
    if not isinstance(top_k, float | bool):
        fix += " Several images are a list, predict([a, b])."
    raise UserError("top_k", rule, got=str(top_k) if isinstance(top_k, float | bool) else type(top_k).__name__, fix=fix)


def load(run: str | os.PathLike[str], accelerator: str = "auto", trust: Sequence[str] = ()) -> Predictor:
    """The model of a run folder, of a bundle, or of a zip file of either.

    Args:
        run: the path.
        accelerator: `auto`, `cpu`, `cuda`, `gpu` or `mps`.
        trust: packages that may have the class of its backbone.

    Raises:
        UserError: where there is none, or its files are damaged.
    """
    if not isinstance(run, str | os.PathLike):
        raise UserError("run", "must be a path", got=type(run).__name__, fix="Pass the folder of a run, or a bundle.")
    if not os.fspath(run):
        raise UserError("run", "must be a path", got="an empty text", fix="Pass the folder of a run, or a bundle.")
    path = existing("run", os.fsdecode(run))
    return Predictor(bundle.read(path, packages(trust)), device(accelerator), path if (path / "bundle").is_dir() else None)


def device(accelerator: str) -> torch.device:
    """`auto`, `cpu`, `cuda`, `gpu` or `mps` → the device."""
    if not isinstance(accelerator, str) or not accelerator:
        fix = "Pass auto for the fastest there is."
        raise UserError("trainer.accelerator", "must be auto, cpu, cuda, gpu or mps", got=repr(accelerator), fix=fix)
    if accelerator in ("auto", "gpu"):
        found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        if found is None and accelerator == "gpu":
            raise UserError("trainer.accelerator", "asks for a GPU and there is none", got="gpu", fix="Pass cpu or auto.")
        return found or torch.device("cpu")
    try:
        torch.empty(0, device=accelerator)
    except (RuntimeError, AssertionError) as error:
        fix = "Pass cpu or auto."
        raise UserError("trainer.accelerator", "is not available on this machine", got=accelerator, fix=fix) from error
    return torch.device(accelerator)
