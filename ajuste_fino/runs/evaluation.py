"""Evaluate a model on one split: the table of predictions, the metrics computed from it, and what they can say."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table
from torch import Tensor

from ajuste_fino.calibration import ece
from ajuste_fino.console import log, screen
from ajuste_fino.data.manifest import Manifest
from ajuste_fino.data.sample import Sample
from ajuste_fino.escape import printable
from ajuste_fino.report.plots import confusion
from ajuste_fino.scores import read_predictions, score, write_predictions

Metrics = dict[str, Any]
TITLES = {"test": "Test accuracy", "val": "Validation accuracy", "eval": "Accuracy on these images"}
NAMES = {"test": "test", "val": "validation", "eval": "these images"}
SHOWN = 12  # classes in the table on the screen
WIDE = 0.1  # of an interval that says little


def evaluate_split(name: str, manifest: Manifest, samples: Sequence[Sample], probabilities: Tensor, out: Path) -> Metrics:
    """Write `predictions_NAME.csv` and the confusion matrix into `out`; return the metrics as `NAME/…`.

    The metrics are computed from what was written; `ece` says how far probabilities are from how often they are right.

    Args:
        name: test; val for the split by which the epoch was chosen; eval for other images.
        probabilities: (N, C), of the samples in their order.
    """
    table = out / f"predictions_{name}.csv"
    write_predictions(table, [s.file for s in samples], [s.label for s in samples], probabilities, manifest.labels)
    predicted, true = read_predictions(table, manifest.labels)
    confusion(predicted.tolist(), true.tolist(), manifest.labels, out / "plots" / "confusion.png", NAMES[name])
    metrics = score(table, manifest.labels) | {"ece": ece(probabilities, true)}
    return {f"{name}/{metric}": value for metric, value in metrics.items()}


def log_evaluation(name: str, metrics: Metrics, labels: Sequence[str]) -> None:
    """Say how good the model is on a split, how sure that is, and of which classes."""
    of = {metric.removeprefix(f"{name}/"): value for metric, value in metrics.items() if metric.startswith(f"{name}/")}
    if len(labels) > 1:
        _show_classes(of, labels)
    right, most = round(of["accuracy"] * of["images"]), max(labels, key=lambda label: of[f"support/{label}"])
    named = printable(most)
    log.info(
        f"{TITLES[name]} {of['accuracy']:.4f}: {right} of {of['images']} images, "
        f"95 % interval {of['accuracy_low']:.3f} to {of['accuracy_high']:.3f}"
    )
    log.info(
        f"Macro F1 {of['macro_f1']:.4f}. Always predicting {named} would give an accuracy of {of['majority_accuracy']:.4f}."
    )
    if right < of["images"]:
        log.info(f"plots/confusion.png shows which classes are mistaken for which, predictions_{name}.csv has every image.")
    if of["accuracy"] <= of["majority_accuracy"] < 1:
        log.warning(
            f"The accuracy is not above that of always predicting {named}: by this measure the model is of no use yet. More "
            "images of the other classes or another backbone may help; macro F1 and the table count every class alike."
        )


def _show_classes(of: Metrics, labels: Sequence[str]) -> None:
    """Print precision, recall and F1 of each class, the worst first where there are too many."""
    worst = sorted(labels, key=lambda label: of[f"f1/{label}"])[:SHOWN]
    text = screen(width=80, file=io.StringIO())
    table = Table(title="" if len(labels) <= SHOWN else f"The {SHOWN} classes of lowest F1; metrics.json has all {len(labels)}")
    table.add_column("class", overflow="fold")
    for column in ("images", "precision", "recall", "F1"):
        table.add_column(column, justify="right", no_wrap=True)
    for label in (label for label in labels if label in worst):
        cells = (f"{of[f'{metric}/{label}']:.3f}" for metric in ("precision", "recall", "f1"))
        table.add_row(printable(label), str(of[f"support/{label}"]), *cells)
    text.print(table)
    log.info(text.file.getvalue().rstrip())  # type: ignore[attr-defined]


def log_limits(name: str, metrics: Metrics, folds_possible: int) -> None:
    """Say what an accuracy cannot tell, where there is no test split or where it is small.

    Args:
        folds_possible: the images that `data.folds` would judge the head on; 0 where that cannot be done.
    """
    if name == "val":
        log.warning(
            "There is no test split: these metrics are of the validation images, by which the epoch was chosen. They compare "
            "runs; for new images expect less. To know, keep some images for nothing else: a folder test beside train and val."
        )
    if folds_possible and metrics[f"{name}/accuracy_high"] - metrics[f"{name}/accuracy_low"] > WIDE:
        where = "training and validation images" if name == "test" else "images"
        log.info(f"The interval is wide. data.folds=5 judges the head on all {folds_possible:,} {where}, in turns.")
