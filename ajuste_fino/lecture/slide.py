"""What the figures share: 1280 × 720 px, large letters, a head with the verdict, and curves with their bands."""

import io
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from ajuste_fino.lecture.findings import Findings
from ajuste_fino.lecture.header import write_header
from ajuste_fino.lecture.text import Texts

MARKERS = "os^Dvx*"
DPI = 100
STYLE: Any = {  # matplotlib types its keys one by one
    "font.size": 14,
    "axes.titlesize": 15,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.framealpha": 0.8,
    "legend.fontsize": 12,
    "lines.linewidth": 2,
    "lines.markersize": 7,
    "svg.fonttype": "path",
}


class Slide(Figure):
    """A figure that a notebook shows by itself; `head` is the share of its height that title, verdict and claim take."""

    head: float = 0

    def _repr_png_(self) -> bytes:
        return png(self)


def slide(findings: Findings, texts: Texts, layout: Any = "a", **options: Any) -> tuple[Slide, list[Axes]]:
    """A slide with its head, and its axes in the order of the layout, as `subplot_mosaic` reads it."""
    with rc_context(STYLE):
        figure = Slide(figsize=(12.8, 7.2), dpi=DPI)
        left = write_header(figure, findings, texts)
        figure.head = 1 - left
        figure.set_layout_engine(ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08, rect=(0, 0, 1, left)))
        axes = figure.subplot_mosaic(layout, **options)
    return figure, list(axes.values())


def png(figure: Figure) -> bytes:
    """The figure as a PNG file."""
    with rc_context(STYLE), io.BytesIO() as file:
        figure.savefig(file, format="png", dpi=DPI)
        return file.getvalue()


def formula(tex: str) -> str:
    """A formula, without dollars, as an SVG image that asks for no font."""
    with rc_context(STYLE), io.BytesIO() as file:
        figure = Figure()
        figure.text(0, 0, f"${tex}$", fontsize=15)
        figure.savefig(file, format="svg", bbox_inches="tight", pad_inches=0.05, transparent=True, metadata={"Date": None})
        text = file.getvalue().decode()
    return text[text.index("<svg") :]


def show_image(axes: Axes, image: Tensor, title: str = "", **options: Any) -> None:
    """An image (H, W) or (3, H, W), without ticks and frame."""
    axes.imshow((image.permute(1, 2, 0) if image.ndim == 3 else image).numpy(), **options)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.set_title(title, fontsize=13)


def curve(axes: Axes, x: Any, values: Any, middle: Callable[[Any], float] = fmean, **options: Any) -> None:
    """A line through the means, or another `middle`, of `values` (len(x), seeds); the band holds all of them."""
    runs = [[float(value) for value in of_seeds] for of_seeds in values]
    band(axes, x, [middle(run) for run in runs], [min(run) for run in runs], [max(run) for run in runs], **options)


def band(axes: Axes, x: Any, line: Sequence[float], low: Sequence[float], high: Sequence[float], **options: Any) -> None:
    """A line, and a band of its colour from `low` to `high`."""
    (drawn,) = axes.plot(x, line, **options)
    axes.fill_between(x, low, high, color=drawn.get_color(), alpha=0.2)


def integer_ticks(axes: Axes) -> None:
    """Ticks of the x axis at whole numbers from 1."""
    axes.set_xlim(left=0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
