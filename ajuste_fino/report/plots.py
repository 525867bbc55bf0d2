"""Learning curves and confusion matrix, as PNG.

Figures are made without pyplot, whose backend and open figures are the user's: a notebook goes on to show its own.
"""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ajuste_fino.escape import printable
from ajuste_fino.files import read_csv, write_bytes

# Okabe and Ito's palette, told apart by every eye
BLUE, ORANGE, GREEN, PINK, YELLOW, SKY, BLACK = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"]
CURVES = {
    "loss": "cross-entropy (nats)",
    "accuracy": "accuracy",
    "train_dropout": "train, with dropout",
    "train": "train",
    "validation_curve": "validation",
    "kept": "kept",
    "epoch_axis": "epoch",
}
COLORS = (BLUE, ORANGE, GREEN, PINK, YELLOW, SKY, BLACK)


def save(figure: Figure, path: Path) -> None:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    write_bytes(path, buffer.getbuffer())


def plain(name: str) -> str:
    """A name as matplotlib draws it: `$` begins no formula, and an underscore in front does not hide it from a legend."""
    text = printable(name).replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def column(rows: list[dict[str, str]], name: str, by: str = "epoch") -> tuple[list[float], list[float]]:
    """Epochs, from 1, and the values of a column of `metrics.csv`, where it has any; by another column where it is named."""
    pairs = [(float(row[by]), float(row[name])) for row in rows if row.get(name) and row.get(by)]
    return [x for x, _ in pairs], [value for _, value in pairs]


def learning_curves(table: Path, path: Path, best_epoch: int, strength: float | None = None) -> None:
    """Write `curves_figure`."""
    save(curves_figure(table, best_epoch, strength), path)


def curves_figure(table: Path, best_epoch: int, strength: float | None = None, words: Mapping[str, str] = CURVES) -> Figure:
    """Draw loss and accuracy by epoch, of a run's `metrics.csv`; `best_epoch` counts from 1.

    Those of logistic regression are drawn by its C, of which `strength` is the one that was kept. A run that was stopped at
    the end of its first epoch has no such file, and empty axes.

    Args:
        words: what is written at axes and curves, by the keys of `CURVES`.
    """
    by, kept = ("epoch", best_epoch) if strength is None else ("C", strength)
    axis, train = (words["epoch_axis"], words["train_dropout"]) if by == "epoch" else (by, words["train"])
    rows = read_csv(table) if table.exists() else []
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(*column(rows, "train/loss", by), ".-", color=BLUE, label=train)
    left.plot(*column(rows, "val/loss", by), ".-", color=ORANGE, label=words["validation_curve"])
    right.plot(*column(rows, "val/accuracy", by), ".-", color=ORANGE, label=words["validation_curve"])
    left.set_ylabel(words["loss"])
    right.set_ylabel(words["accuracy"])
    for axes in (left, right):
        axes.axvline(kept, color="0.6", linestyle=":", label=f"{words['kept']}: {axis} {kept:g}")
        axes.set_xlabel(axis)
        if by == "epoch":
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        else:
            axes.set_xscale("log")
        axes.grid(alpha=0.3)
        axes.legend()
    return figure


def confusion(predicted: Sequence[int], true: Sequence[int], labels: Sequence[str], path: Path, split: str) -> None:
    """Rows are the true classes, columns the predicted; the shade is the share of the row, the number the count.

    Args:
        split: what the images are, for the title.
    """
    count = [[0] * len(labels) for _ in labels]
    for p, t in zip(predicted, true, strict=True):
        count[t][p] += 1
    draw_confusion(count, labels, path, split)


def draw_confusion(count: Sequence[Sequence[int]], labels: Sequence[str], path: Path, split: str) -> None:
    """The same of what was counted: a row for each true class, a column for each predicted one."""
    shares = [[n / max(sum(row), 1) for n in row] for row in count]
    side = min(max(4.5, 1.8 + 0.5 * len(labels)), 24)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if len(labels) <= 40:
        for t, row in enumerate(count):
            for p, n in enumerate(row):
                if n:
                    axes.text(
                        p, t, str(n), ha="center", va="center", fontsize=9, color="white" if shares[t][p] > 0.5 else "black"
                    )
    names = [plain(label if len(label) <= 20 else f"{label[:19]}…") for label in labels]
    axes.set_xticks(range(len(labels)), names, rotation=90)
    axes.set_yticks(range(len(labels)), names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(f"{split}: {sum(count[n][n] for n in range(len(labels)))} of {sum(map(sum, count))} right")
    save(figure, path)
