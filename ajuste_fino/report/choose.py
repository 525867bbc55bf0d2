"""Draw backbones by accuracy and time, and the front of those than which none is both faster and better."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.ticker import FuncFormatter, LogLocator
from matplotlib.transforms import Bbox

from ajuste_fino.choose.verdict import Row
from ajuste_fino.report.plots import BLUE, GREEN, ORANGE, plain, save

SMALLEST, LARGEST = 25.0, 500.0  # points² of a marker
PLACES = [(1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1), (0, 1), (0, -1)]  # of a label, by its marker
DISTANCES = (1.0, 2.0, 3.5)


def draw(rows: Sequence[Row], front: Sequence[Row], recommended: Row, device: str, path: Path) -> None:
    """Accuracy with its interval against milliseconds an image; a marker's area grows with the parameters.

    A candidate's default cut is a ring where another cut is clearly better.
    """
    figure = Figure(figsize=(8, 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set_xscale("log")
    axes.set_xlim(*_around([row.milliseconds for row in rows]))
    axes.plot([r.milliseconds for r in front], [r.score.accuracy for r in front], color=GREEN, lw=1.5, label="Pareto front")
    areas = _areas(rows)
    for row, area in zip(rows, areas, strict=True):
        _mark(axes, row, area, ORANGE if row is recommended else BLUE)
        _join(axes, row, next(one for one in rows if one.label == row.label and one.chosen))
    axes.set_xlabel(f"milliseconds an image, of the network alone ({device})")
    axes.set_ylabel("accuracy of a cross-validated head, 95 % interval")
    axes.grid(alpha=0.3, which="both")
    axes.margins(y=0.12)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter("")
    axes.plot([], [], "o", color=ORANGE, label="recommended")
    if any(not row.chosen and row.default for row in rows):
        axes.plot([], [], "o", markerfacecolor="none", markeredgecolor=BLUE, label="its default cut")
    figure.legend(loc="outside lower center", ncols=3, title="area: parameters", title_fontsize="small")
    _label(figure, axes, {row: area for row, area in zip(rows, areas, strict=True) if row.chosen or row.default})
    save(figure, path)


def _around(times: Sequence[float]) -> tuple[float, float]:
    """The ends of the axis, with room for labels on either side."""
    room = max(2.0, (max(times) / min(times)) ** 0.25)
    return min(times) / room, max(times) * room


def _areas(rows: Sequence[Row]) -> list[float]:
    """Of each marker, in points²: by the parameters."""
    most = max(row.parameters for row in rows) or 1
    return [SMALLEST + (LARGEST - SMALLEST) * row.parameters / most for row in rows]


def _join(axes: Axes, row: Row, chosen: Row) -> None:
    """A line from a default cut that does not count to the cut that does."""
    if row.default:
        pair = (row, chosen)
        axes.plot([r.milliseconds for r in pair], [r.score.accuracy for r in pair], ":", color=BLUE, lw=1)


def _mark(axes: Axes, row: Row, area: float, color: str) -> None:
    low, high = row.score.interval
    at, accuracy = row.milliseconds, row.score.accuracy
    if row.chosen:
        axes.errorbar([at], [accuracy], [[max(accuracy - low, 0)], [max(high - accuracy, 0)]], color=color, capsize=3, lw=1)
        axes.scatter([at], [accuracy], s=area, color=color, alpha=0.6)
    elif row.default:
        axes.scatter([at], [accuracy], s=area, facecolors="none", edgecolors=BLUE)


def _label(figure: Figure, axes: Axes, areas: Mapping[Row, float]) -> None:
    """Put each name at the place beside its marker that hides the least of others."""
    figure.draw_without_rendering()  # places everything
    radii = {row: (area / 3.14) ** 0.5 for row, area in areas.items()}
    taken = [_marker_box(axes, row, radius) for row, radius in radii.items()]
    for row in sorted((row for row in radii if row.chosen), key=lambda row: -row.score.accuracy):
        tried = [(_annotate(axes, row, radii[row], place, far), far) for far in DISTANCES for place in PLACES]
        boxes = [note.get_window_extent() for note, _ in tried]
        costs = [_hidden(box, taken, axes.get_window_extent()) + far for box, (_, far) in zip(boxes, tried, strict=True)]
        best = costs.index(min(costs))
        for n, (note, _) in enumerate(tried):
            if n != best:
                note.remove()
        taken.append(boxes[best])


def _annotate(axes: Axes, row: Row, radius: float, place: tuple[int, int], far: float) -> Annotation:
    right, up = place
    offset = (right * (radius + 4 * far), up * (radius + 5 * far))
    align = {1: "left", 0: "center", -1: "right"}[right], {1: "bottom", 0: "center", -1: "top"}[up]
    return axes.annotate(
        plain(row.label),
        (row.milliseconds, row.score.accuracy),
        xytext=offset,
        textcoords="offset points",
        ha=align[0],
        va=align[1],
        fontsize=9,
        bbox={"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 1},
    )


def _marker_box(axes: Axes, row: Row, radius: float) -> Bbox:
    """Of a marker and its interval, in px."""
    low, high = (axes.transData.transform((row.milliseconds, value)) for value in row.score.interval)
    radius *= axes.figure.dpi / 72
    return Bbox([[low[0] - radius, low[1]], [high[0] + radius, high[1]]])


def _hidden(box: Bbox, taken: Sequence[Bbox], inside: Bbox) -> float:
    """Square px of what is there already under a box, and of it outside of the axes."""
    shared = [Bbox.intersection(box, other) for other in taken]
    within = Bbox.intersection(box, inside)
    outside = box.width * box.height - (within.width * within.height if within else 0)
    return sum(one.width * one.height for one in shared if one) + outside
