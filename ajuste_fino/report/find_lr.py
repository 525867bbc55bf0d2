"""Draw a learning rate range test: the loss by the rate, and the suggestion."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from ajuste_fino.report.plots import BLUE, ORANGE, save


def draw(readings: Sequence[tuple[float, float, float]], lr: float, lowest: float, title: str, path: Path) -> None:
    """The loss of each step and its mean so far; `readings` are (rate, loss, mean), `lowest` the rate of the lowest mean."""
    rates, losses, smoothed = ([reading[n] for reading in readings] for n in range(3))
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.set_xscale("log")
    axes.plot(rates, losses, ".", color=BLUE, alpha=0.3, label="of a step")
    axes.plot(rates, smoothed, color=BLUE, label="running mean")
    axes.axvline(lowest, color="0.6", linestyle=":", label=f"lowest mean: {lowest:.2g}")
    axes.axvline(lr, color=ORANGE, label=f"suggested: {lr:g}")
    low, high = min(smoothed), max(smoothed)
    axes.set_ylim(low - 0.15 * (high - low), high + 0.15 * (high - low))  # single steps may lie far outside
    axes.set_xlabel("learning rate of the head")
    axes.set_ylabel("cross-entropy of training (nats)")
    axes.set_title(title)
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    save(figure, path)
