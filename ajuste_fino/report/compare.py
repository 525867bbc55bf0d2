"""Several runs in one figure: their learning curves, or a map of two of their keys."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ajuste_fino.files import read_csv
from ajuste_fino.report.plots import COLORS, column, plain, save

STYLES = ("-", "--", ":")  # for the eighth curve and later ones


def curves(tables: Mapping[str, Path], path: Path) -> None:
    """Training loss, validation loss and validation accuracy by epoch; `tables` has each run's `metrics.csv` by its label."""
    figure = Figure(figsize=(15, 4.4), layout="constrained")
    axes = figure.subplots(1, 3)
    looks = cycle([(color, style) for style in STYLES for color in COLORS])
    for (label, table), (color, style) in zip(tables.items(), looks, strict=False):
        rows = read_csv(table)
        for ax, name in zip(axes, ("train/loss", "val/loss", "val/accuracy"), strict=True):
            ax.plot(*column(rows, name), style, color=color, label=plain(label), marker=".")
    for ax, what in zip(axes, ("training loss (nats)", "validation loss (nats)", "validation accuracy"), strict=True):
        _dress(ax, what)
    for ax in axes[:2]:
        ax.set_yscale("log")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=min(len(tables), 5))
    save(figure, path)


def _dress(axes: Axes, what: str) -> None:
    axes.set_ylabel(what)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)


def key_map(
    rows: Sequence[str], columns: Sequence[str], cells: Mapping[tuple[str, str], float], path: Path, what: Sequence[str]
) -> None:
    """A cell for each pair of values, shaded by its figure; the best of each row is bold.

    Args:
        cells: metrics by (row, column); a pair without one stays white.
        what: the names of rows, columns and figure.
    """
    size = (max(6.0, 2.5 + 0.9 * len(columns)), max(3.0, 1.6 + 0.5 * len(rows)))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    shown = [[cells.get((row, x), float("nan")) for x in columns] for row in rows]
    image = axes.imshow(shown, cmap="viridis", aspect="auto")
    known = list(cells.values())
    middle = (min(known) + max(known)) / 2
    for r, row in enumerate(rows):
        known_here = [x for x in columns if (row, x) in cells]
        best = max(known_here, key=lambda x: cells[row, x], default=None)
        for c, x in enumerate(columns):
            if (row, x) in cells:
                value, weight = cells[row, x], "bold" if x == best else "normal"
                axes.text(
                    c, r, f"{value:.3f}", ha="center", va="center", weight=weight, color="white" if value < middle else "black"
                )
    axes.set_xticks(range(len(columns)), [plain(name) for name in columns])
    axes.set_yticks(range(len(rows)), [plain(name) for name in rows])
    axes.set_ylabel(what[0])
    axes.set_xlabel(what[1])
    figure.colorbar(image, label=what[2])
    save(figure, path)
