"""Plot a search: the outcome of its trials, and which of the choices mattered."""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ajuste_fino.report.plots import BLUE, GREEN, plain, save


def history(axes: Axes, values: Sequence[float], trial: str, best: str) -> None:
    """Each trial's outcome by its number, from 1, and the best so far; with the labels that they are to have."""
    numbers = range(1, len(values) + 1)
    axes.plot(numbers, values, "o", color=BLUE, alpha=0.6, label=trial)
    axes.plot(numbers, list(accumulate(values, max)), color=BLUE, label=best)


def importance(axes: Axes, shares: Mapping[str, float], names: Mapping[str, str]) -> None:
    """Shares of the variation as bars, the largest at the top; with the names that they are to have."""
    rising = sorted(shares, key=lambda name: shares[name])
    axes.barh([names[name] for name in rising], [shares[name] for name in rising], color=GREEN)


def draw(values: Sequence[float], shares: Mapping[str, float], best: Mapping[str, object], path: Path) -> None:
    """Left: the trials. Right: the importance of the keys, where there were trials enough to tell."""
    figure = Figure(figsize=(12, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    history(left, values, "a trial", "best so far")
    left.set_xlabel("finished trial")
    left.set_ylabel("validation accuracy")
    left.grid(alpha=0.3)
    left.legend(loc="lower right")
    importance(right, shares, {name: f"{name}\n(best: {_short(best[name])})" for name in shares})
    right.set_xlabel("importance (share of the variation)")
    save(figure, path)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else plain(str(value))
