"""Neurons, and connections per neuron, of the lists' networks and of later ones: how fast do they grow?

How they are counted, and which cannot be: `networks.py`.

The bands. The book says that networks have doubled in size about every 2.4 years since hidden units came. A straight line
through log₂(neurons) by year has a standard error; the claim holds if 2.4 years lie in the 95 % interval of the doubling
time, over all networks counted since 1980, the book's and later ones, and if that interval is no wider than from half to
twice 2.4. The book's alone, up to 2014, may be too few for a narrow interval: that they double in half to twice that time is
an informational check.

Of connections it says that they are mostly a design decision today; that some networks have nearly as many per neuron as a
cat; and that as many as a mouse are quite common. Today is from 2006 on, when deep networks came. The mean over a network's
neurons is compared: a brain's number is a mean, too (the book does not say which of its own it takes; its most connected
layer may have many times more). The claim holds if

- few have more than a cat: at most one in ten;
- several have as many as a mouse: at least three;
- the year says little of it: were connections limited by hardware, as at first, their number would rise with it. Spearman's
  rank correlation lies between −0.5 and 0.5: the year explains less than a quarter of the ranks' variance.

The sizes of some well-known networks were roughly known when these bands were written; none was counted before.
"Nearly as many as a cat" is at least half of them by the most connected network, as twice or half is little where orders of
magnitude are compared; informational, as the number of that one was known from its paper when this band was written.

Source: Goodfellow, Bengio and Courville, *Deep Learning*, 2016, figures 1.10 and 1.11.
"""

from typing import Any

import torch
from matplotlib.axes import Axes

from ajuste_fino.lecture.findings import Check, Findings, Table
from ajuste_fino.lecture.networks import ANIMALS, CURVE, NETWORKS, by_the_book
from ajuste_fino.lecture.point_names import name_points
from ajuste_fino.lecture.settings import Limit
from ajuste_fino.lecture.slide import Slide, slide
from ajuste_fino.lecture.stats import rank_correlation
from ajuste_fino.lecture.text import Texts
from ajuste_fino.report.plots import BLUE, GREEN, ORANGE

FORMULAS = (r"\log_2 N(t)=\log_2 N_0+t/T_2",)
LIMITS = {"confidence": Limit(0.5, 0.9999)}
USES = ("torchvision.models", 'torch.device("meta")')
HIDDEN, TODAY = 1980, 2006  # years: hidden units are trained; deep networks are
READS = "connections per neuron"


def measure(*, confidence: float) -> Findings:
    """Count every network; fit the doubling time of the book's, and of all; compare connections with animals'.

    Args:
        confidence: of the interval, 0.95 for 95 %.
    """
    rows = Table(network.row() for network in NETWORKS)
    counted = [row for row in rows if row["source"] != CURVE]
    # ADALINE and the perceptron came before hidden units were trained: the claim starts after them
    hidden = [row for row in counted if row["year"] >= HIDDEN]
    book, whole = (fit(part, confidence) for part in ([row for row in hidden if row["figure 1.11"]], hidden))
    checks = [
        Check("low_end", whole["low"], 1.2, 2.4),
        Check("high_end", whole["high"], 2.4, 4.8),
        Check("book_alone", book["years"], 1.2, 4.8, informational=True),
        *_connections([row for row in counted if row["year"] >= TODAY]),
    ]
    return Findings(checks, rows, {"book": book, "all": whole, "confidence": confidence})


def _connections(today: list[dict[str, Any]]) -> list[Check]:
    reads = [row[READS] for row in today]
    above = sum(one > ANIMALS["cat"] for one in reads) / len(reads)
    return [
        Check("above_cat", above, 0, 0.1),
        Check("like_mouse", sum(one >= ANIMALS["mouse"] for one in reads), 3),
        Check("by_year", rank_correlation([row["year"] for row in today], reads), -0.5, 0.5),
        Check("nearly_cat", max(reads) / ANIMALS["cat"], 0.5, informational=True),
    ]


def fit(rows: list[dict[str, Any]], confidence: float) -> dict[str, float]:
    """Least squares of log₂ neurons on the year; the doubling time, with the interval of the slope."""
    from scipy import stats

    years = [row["year"] for row in rows]
    logs = torch.tensor([row["neurons"] for row in rows], dtype=torch.float64).log2().tolist()
    line = stats.linregress(years, logs)
    margin = stats.t.ppf((1 + confidence) / 2, len(rows) - 2) * line.stderr
    steep, flat = line.slope + margin, line.slope - margin
    high = 1 / flat if flat > 0 else float("inf")
    return {"slope": line.slope, "intercept": line.intercept, "years": 1 / line.slope, "low": 1 / steep, "high": high}


def draw(findings: Findings, texts: Texts) -> Slide:
    """Left: neurons by year, with three lines. Right: connections of a neuron, and those of animals."""
    figure, (left, right) = slide(findings, texts, "ab", width_ratios=[1.35, 1])
    sides = ((left, "neurons"), (right, READS))
    for axes, quantity in sides:
        _points(axes, findings.rows, quantity, texts)
        axes.set_xlabel(texts("year"))
        axes.set_xlim(1955, 2030)
    _lines(left, findings, texts)
    _animals(right, texts)
    left.set_ylabel(texts("neurons"))
    right.set_ylabel(texts("connections"))
    left.set_ylim(top=3e11)
    left.legend(loc="upper left", fontsize=11)
    for axes, quantity in sides:
        known = [row for row in findings.rows if row[quantity]]
        name_points(axes, [row["network"] for row in known], [(row["year"], row[quantity]) for row in known])
    return figure


def _lines(axes: Axes, findings: Findings, texts: Texts) -> None:
    """The book's curve, and the lines through the networks that were counted."""
    years = torch.tensor([1980.0, 2022.0], dtype=torch.float64)
    axes.plot(years, [by_the_book(float(year)) for year in years], ":", color="0.5", zorder=0, label=texts("curve"))
    for name, color, key in (("book", BLUE, "book_line"), ("all", GREEN, "all_line")):
        line = findings.data[name]
        interval = f"{line['years']:.1f} [{line['low']:.1f}, {line['high']:.1f}]".replace("inf", "∞")
        sizes = 2 ** (line["slope"] * years + line["intercept"])
        axes.plot(years, sizes, "--", color=color, zorder=1, label=texts(key, interval=interval))


def _points(axes: Axes, rows: Table, quantity: str, texts: Texts) -> None:
    """Three kinds: of the lists and counted, of the lists and not, later."""
    axes.set_yscale("log")
    kinds: dict[str, list[dict[str, Any]]] = {"in_book": [], "by_curve": [], "later": []}
    for row in rows:
        listed = row["figure 1.11"] != ""
        kinds["by_curve" if row["source"] == CURVE else "in_book" if listed else "later"].append(row)
    looks = {"in_book": (BLUE, "o", BLUE), "by_curve": (BLUE, "o", "none"), "later": (ORANGE, "s", ORANGE)}
    for key, (color, marker, face) in looks.items():
        points = [(row["year"], row[quantity]) for row in kinds[key] if row[quantity]]
        if points:
            axes.plot(*zip(*points, strict=True), marker, color=color, markerfacecolor=face, label=texts(key))


def _animals(axes: Axes, texts: Texts) -> None:
    """A line for each animal, its name at the left end."""
    for key, reads in ANIMALS.items():
        axes.axhline(reads, color="0.6", linewidth=1, zorder=0)
        y, side = (-3, "top") if key == "human" else (3, "bottom")  # the cat's line is just above
        axes.annotate(texts(key), (1956, reads), (0, y), textcoords="offset points", va=side, fontsize=11, color="0.35")
