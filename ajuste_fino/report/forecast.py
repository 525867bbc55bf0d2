"""Draw a learning curve and where it leads: what twice the images would give."""

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from ajuste_fino.insight.curve import Curve
from ajuste_fino.insight.forecast import TIMES, Forecast
from ajuste_fino.report.plots import BLUE, ORANGE, save

STEPS = 60


def draw_forecast(curve: Curve, found: Forecast, path: Path) -> None:
    """Accuracy on the validation images against the number of training images, each head a dot; the interval is of 95 %."""
    figure = Figure(figsize=(7.5, 4.4), layout="constrained")
    axes = figure.subplots()
    most = curve.sizes[-1]
    accuracies = (1 - curve.wrong.double().mean(0)).tolist()
    axes.plot(curve.images.tolist(), accuracies, ".", color=BLUE, alpha=0.35, label="heads on draws of the training images")
    low = curve.sizes[0] / most
    times = [low * (TIMES / low) ** (step / STEPS) for step in range(STEPS + 1)]
    axes.plot([t * most for t in times], [found.accuracy(t) for t in times], color=BLUE, lw=1.5, label="mean of two power laws")
    errors = [[max(found.twice - found.low, 0)], [max(found.high - found.twice, 0)]]
    axes.errorbar([TIMES * most], [found.twice], errors, fmt="o", color=ORANGE, capsize=4, label="expected of twice the images")
    axes.set_xscale("log")
    ticks = sorted({round(size) for size in (*curve.sizes, TIMES * most)})
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.2f}"))
    axes.set_xlabel("training images")
    axes.set_ylabel("accuracy on the validation images")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    save(figure, path)
