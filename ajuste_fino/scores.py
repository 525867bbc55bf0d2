"""The table of predictions, an image a row, and the scores computed from it."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score, MulticlassPrecision, MulticlassRecall

from ajuste_fino.files import read_csv, write_csv


def metrics(num_classes: int, together: bool = False) -> MetricCollection:
    """Accuracy over images and F1 averaged over classes, of logits (N, C) and targets (N,).

    Args:
        together: of the images of all processes that train together, each of which computes them then.
    """
    return MetricCollection(
        {
            "accuracy": MulticlassAccuracy(num_classes, average="micro", sync_on_compute=together),
            "macro_f1": MulticlassF1Score(num_classes, average="macro", sync_on_compute=together),
        }
    )


def write_predictions(
    path: Path, files: Sequence[str], targets: Sequence[str], probabilities: Tensor, labels: Sequence[str]
) -> None:
    """file, label, predicted, probability, then the probability of each class as `p:CLASS`, to six decimals."""
    write_csv(path, prediction_header(labels), prediction_rows(files, targets, probabilities, labels))


def prediction_header(labels: Sequence[str]) -> list[str]:
    """The columns of a table of predictions."""
    return ["file", "label", "predicted", "probability", *(f"p:{label}" for label in labels)]


def prediction_rows(
    files: Sequence[str], targets: Sequence[str], probabilities: Tensor, labels: Sequence[str]
) -> Iterator[list[str]]:
    """The rows of a table of predictions, their probabilities (N, C) to six decimals."""
    top, best = probabilities.max(1)
    for file, label, n, p, all_p in zip(files, targets, best.tolist(), top.tolist(), probabilities.tolist(), strict=True):
        yield [file, label, labels[n], f"{p:.6f}", *(f"{q:.6f}" for q in all_p)]


def read_predictions(path: Path, labels: Sequence[str]) -> tuple[Tensor, Tensor]:
    """The numbers of the predicted and the true labels, (N,) each, of a table that `write_predictions` wrote."""
    number = {label: n for n, label in enumerate(labels)}
    rows = read_csv(path)
    return torch.tensor([number[r["predicted"]] for r in rows]), torch.tensor([number[r["label"]] for r in rows])


def wilson(right: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """The interval in which an accuracy lies with 95 % confidence, when `right` of `count` independent images are right.

    Source: Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", *JASA* 22, 1927.
    """
    share, spread = right / count, z * z / count
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * (share * (1 - share) / count + spread / (4 * count)) ** 0.5
    return max(middle - half, 0.0), min(middle + half, 1.0)


def paired_difference(first: Mapping[Any, bool], second: Mapping[Any, bool]) -> tuple[float, float]:
    """How much more accurate the second of two models is on the same images, and the standard error of that.

    Args:
        first: of each image, whether the prediction is right; `second` has the same images.
    """
    steps = torch.tensor([float(second[image]) - float(right) for image, right in first.items()], dtype=torch.float64)
    return float(steps.mean()), float(steps.std(correction=0) / len(steps) ** 0.5)


def score(path: Path, labels: Sequence[str]) -> dict[str, float]:
    """The metrics of a table of predictions, see `Scores`."""
    scores = Scores(labels)
    scores.update(*read_predictions(path, labels))
    return scores.compute()


class Scores:
    """The metrics of predictions that come a few at a time; `counts` (C, C) has a row for each true class.

    Accuracy with its 95 % interval, the accuracy of the one label that is right most often (`majority_accuracy`), macro F1,
    and of each class its precision, recall, F1 and number of images (`support/CLASS`).
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels, size = labels, len(labels)
        self.counts = torch.zeros(size, size, dtype=torch.long)
        by_class = {"precision": MulticlassPrecision, "recall": MulticlassRecall, "f1": MulticlassF1Score}
        self.metrics = metrics(size)
        self.by_class = {name: one(size, average="none", sync_on_compute=False) for name, one in by_class.items()}

    def update(self, predicted: Tensor, true: Tensor) -> None:
        """Add the numbers of some predicted and true labels, (n,) each."""
        size = len(self.labels)
        self.counts += (true * size + predicted).bincount(minlength=size * size).reshape(size, size)
        self.metrics.update(predicted, true)
        for metric in self.by_class.values():
            metric.update(predicted, true)

    def compute(self) -> dict[str, float]:
        """All metrics, by name."""
        support, right, images = self.counts.sum(1), int(self.counts.trace()), int(self.counts.sum())
        low, high = wilson(right, images)
        scores: dict[str, float] = {"images": images, "accuracy_low": low, "accuracy_high": high}
        scores["majority_accuracy"] = int(support.max()) / images
        scores |= {name: float(value) for name, value in self.metrics.compute().items()}
        scores["accuracy"] = right / images  # in double precision, so that it can be compared with the majority's
        for name, metric in self.by_class.items():
            scores |= {f"{name}/{label}": value for label, value in zip(self.labels, metric.compute().tolist(), strict=True)}
        return scores | {f"support/{label}": n for label, n in zip(self.labels, support.tolist(), strict=True)}
