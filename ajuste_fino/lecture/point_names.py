"""Names beside the points of a figure, as many as fit: none covers a point, another name, or the legend."""

from collections.abc import Sequence
from math import hypot

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.transforms import Bbox

MARKER = 5  # px from the middle of a point to its edge
# where a name may stand, the best place first: px to the right and upwards, and which of its sides are there
PLACES = tuple(
    (x, y, across, along)
    for distance in (8, 16, 26)
    for x, y, across, along in (
        (distance, 0, "left", "center"),
        (-distance, 0, "right", "center"),
        (0, distance, "center", "bottom"),
        (0, -distance, "center", "top"),
        (distance, distance / 2, "left", "bottom"),
        (-distance, distance / 2, "right", "bottom"),
        (distance, -distance / 2, "left", "top"),
        (-distance, -distance / 2, "right", "top"),
    )
)


def name_points(axes: Axes, names: Sequence[str], points: Sequence[tuple[float, float]], size: float = 11) -> None:
    """Write names, in letters of `size`, beside points (x, y) in the units of the axes; those without a place are left out.

    A name stands nearer to its own point than to any other. The axes must be complete: what is added later may cover a name.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()  # places the axes
    middles = axes.transData.transform(points)
    taken = [Bbox.from_extents(x - MARKER, y - MARKER, x + MARKER, y + MARKER) for x, y in middles]
    taken += [text.get_window_extent(renderer) for text in axes.texts]
    if legend := axes.get_legend():
        taken.append(legend.get_window_extent(renderer))
    whole = axes.get_window_extent(renderer)
    for name, point, middle in zip(names, points, middles, strict=True):
        for x, y, across, along in PLACES:
            text = axes.annotate(name, point, (x, y), textcoords="offset pixels", ha=across, va=along, fontsize=size)
            text.set_in_layout(False)
            box = text.get_window_extent(renderer).padded(1)
            inside = whole.x0 <= box.x0 and box.x1 <= whole.x1 and whole.y0 <= box.y0 and box.y1 <= whole.y1
            nearest = all(_gap(box, middle) <= _gap(box, other) for other in middles)
            if inside and nearest and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
            text.remove()


def _gap(box: Bbox, point: Sequence[float]) -> float:
    """From the edge of a box to a point outside it."""
    x, y = point
    return hypot(max(box.x0 - x, 0, x - box.x1), max(box.y0 - y, 0, y - box.y1))
