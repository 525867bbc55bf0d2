"""The table of predictions, an image a row, and the scores computed from it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score, MulticlassPrecision, MulticlassRecall

from ajuste_fino.files import read_csv, write_csv


def metrics(num_classes: int) -> MetricCollection:
    """Accuracy over images and F1 averaged over classes, of logits (N, C) and targets (N,)."""
    return MetricCollection(
        {
            "accuracy": MulticlassAccuracy(num_classes, average="micro"),
            "macro_f1": MulticlassF1Score(num_classes, average="macro"),
        }
    )


def write_predictions(
    path: Path, files: Sequence[str], targets: Sequence[str], probabilities: Tensor, labels: Sequence[str]
) -> None:
    """file, label, predicted, probability, then the probability of each class as `p:CLASS`, to six decimals."""
    top, best = probabilities.max(1)
    rows = zip(files, targets, best.tolist(), top.tolist(), probabilities.tolist(), strict=True)
    header = ("file", "label", "predicted", "probability", *(f"p:{label}" for label in labels))
    write_csv(
        path, header, ([file, label, labels[n], f"{p:.6f}", *(f"{q:.6f}" for q in all_p)] for file, label, n, p, all_p in rows)
    )


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
    """The metrics of a table of predictions.

    Accuracy with its 95 % interval, the accuracy of the one label that is right most often (`majority_accuracy`), macro F1,
    and of each class its precision, recall, F1 and number of images (`support/CLASS`).
    """
    predicted, true = read_predictions(path, labels)
    support, right = true.bincount(minlength=len(labels)), int((predicted == true).sum())
    low, high = wilson(right, len(true))
    scores: dict[str, float] = {"images": len(true), "accuracy_low": low, "accuracy_high": high}
    scores["majority_accuracy"] = int(support.max()) / len(true)
    scores |= {name: float(value) for name, value in metrics(len(labels))(predicted, true).items()}
    scores["accuracy"] = right / len(true)  # in double precision, so that it can be compared with the majority's
    by_class = {"precision": MulticlassPrecision, "recall": MulticlassRecall, "f1": MulticlassF1Score}
    for name, metric in by_class.items():
        values = metric(len(labels), average="none")(predicted, true).tolist()
        scores |= {f"{name}/{label}": value for label, value in zip(labels, values, strict=True)}
    return scores | {f"support/{label}": n for label, n in zip(labels, support.tolist(), strict=True)}
