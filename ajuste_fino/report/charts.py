"""Figures as SVG inside a page: lines and letters take the page's colours, on a light and on a dark background."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure

from ajuste_fino.insight.curve import Curve
from ajuste_fino.insight.forecast import Forecast
from ajuste_fino.report.forecast import forecast_figure
from ajuste_fino.report.judged import Bin
from ajuste_fino.report.plots import BLUE, ORANGE, curves_figure

INK = "#010203"  # drawn in the place of the page's own colour of text
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # letters stay letters
    "svg.hashsalt": "ajuste_fino",
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "legend.framealpha": 0.0,
    "font.size": 11,
}


def svg(figure: Figure, title: str, name: str, size: str) -> Markup:
    """A figure as an `svg` element.

    Args:
        title: what it shows, for those who cannot see it.
        name: which no other figure of the page has, as parts of it refer to each other by names.
        size: the class of the page's style that says how wide it may be.
    """
    buffer = io.StringIO()
    with mpl.rc_context(STYLE | {"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    drawn = buffer.getvalue()
    element = drawn[drawn.index("<svg ") :].replace(INK, "currentColor")
    for part in ("figure_1", "axes_1", "axes_2", "patch_", "legend_"):
        element = element.replace(f'id="{part}', f'id="{name}_{part}')
    return Markup('<svg role="img" aria-label="{}" class="chart {}" ').format(title, size) + Markup(
        element.removeprefix("<svg ")
    )


def learning_curves(table: Path, best_epoch: int, strength: float | None, words: Mapping[str, str], title: str) -> Markup:
    """Loss and accuracy by epoch; the arguments are those of `plots.curves_figure`."""
    with mpl.rc_context(STYLE):
        return svg(curves_figure(table, best_epoch, strength, words), title, "curves", "wide-chart")


def forecast(curve: Curve, found: Forecast, words: Mapping[str, str], title: str) -> Markup:
    """Where a learning curve leads; the arguments are those of `forecast_figure`."""
    with mpl.rc_context(STYLE):
        return svg(forecast_figure(curve, found, words), title, "forecast", "wide-chart")


def calibration(bins: Sequence[Bin], words: tuple[str, str, str], title: str) -> Markup:
    """How often predictions are right, by the probability they were given; a dot's area is how many images it stands for.

    Args:
        words: for the two axes, and for the line on which a dot should lie.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5, 4.2), layout="constrained")
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], "--", color=BLUE, label=words[2])
        largest = max(one.images for one in bins)
        sizes = [30 + 270 * one.images / largest for one in bins]
        axes.scatter([one.confidence for one in bins], [one.accuracy for one in bins], s=sizes, color=ORANGE, alpha=0.85)
        axes.set(xlim=(0, 1.03), ylim=(0, 1.03), xlabel=words[0], ylabel=words[1])
        axes.grid(alpha=0.3)
        axes.legend()
        return svg(figure, title, "calibration", "small")
