"""Draw a learning rate range test: the loss by the rate, and the suggestion."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from ajuste_fino.report.plots import BLUE, ORANGE, save


def draw(readings: Sequence[tuple[float, float, float]], first: int, lr: float, lowest: float, title: str, path: Path) -> None:
    """The loss of each step, and its mean.

    Args:
        readings: of each step the rate, the loss and the mean.
        first: the step, from 1, from which on the mean says something.
        lr: the suggestion.
        lowest: the rate of the lowest mean.
    """
    rates, losses, mean = ([reading[n] for reading in readings] for n in range(3))
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.set_xscale("log")
    axes.plot(rates, losses, ".", color=BLUE, alpha=0.3, label="of a step")
    axes.plot(rates[first - 1 :], mean[first - 1 :], color=BLUE, label="running mean")
    axes.axvline(lowest, color="0.6", linestyle=":", label=f"lowest mean: {lowest:.2g}")
    axes.axvline(lr, color=ORANGE, label=f"suggested: {lr:g}")
    low, high = min(mean[first - 1 :]), max(mean[first - 1 :])
    room = max(0.3 * (high - low), 0.02)
    axes.set_ylim(low - room, high + room)  # single steps may lie far outside
    axes.set_xlabel("learning rate of the head")
    axes.set_ylabel("cross-entropy of training (nats)")
    axes.set_title(title)
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    save(figure, path)
