"""Draw a learning curve and where it leads: what twice the images would give."""

from collections.abc import Mapping

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from ajuste_fino.insight.curve import Curve
from ajuste_fino.insight.forecast import TIMES, Forecast
from ajuste_fino.report.plots import BLUE, ORANGE

STEPS = 60
WORDS = ("heads_on_draws", "power_laws", "expected_of_twice", "training_images", "validation_accuracy")


def forecast_figure(curve: Curve, found: Forecast, words: Mapping[str, str]) -> Figure:
    """Accuracy on the validation images against the number of training images, each head a dot; the interval is of 95 %.

    Args:
        words: what is written at axes and curves, by the keys of `WORDS`.
    """
    figure = Figure(figsize=(7.5, 4.4), layout="constrained")
    axes = figure.subplots()
    most = curve.sizes[-1]
    accuracies = (1 - curve.wrong.double().mean(0)).tolist()
    axes.plot(curve.images.tolist(), accuracies, ".", color=BLUE, alpha=0.35, label=words["heads_on_draws"])
    low = curve.sizes[0] / most
    times = [low * (TIMES / low) ** (step / STEPS) for step in range(STEPS + 1)]
    axes.plot([t * most for t in times], [found.accuracy(t) for t in times], color=BLUE, lw=1.5, label=words["power_laws"])
    errors = [[max(found.twice - found.low, 0)], [max(found.high - found.twice, 0)]]
    label = words["expected_of_twice"]
    axes.errorbar([TIMES * most], [found.twice], errors, fmt="o", color=ORANGE, capsize=4, label=label)
    axes.set_xscale("log")
    ticks = sorted({round(size) for size in (*curve.sizes, TIMES * most)})
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.2f}"))
    axes.set_xlabel(words["training_images"])
    axes.set_ylabel(words["validation_accuracy"])
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    return figure
