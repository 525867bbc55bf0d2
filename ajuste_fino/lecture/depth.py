"""Does depth help where more parameters do not? CNNs of three to eleven hidden layers read three digits in one image.

The bands. Figure 6.6 says that test accuracy rises with depth: every run of the deepest network should be above every run of
the shallowest (of three and three runs without a difference, one order in twenty is like this), and accuracy should rise with
depth by rank (Spearman at least 0.85 over the means: of five depths one pair of neighbours may be swapped, which gives 0.9).
Figure 6.7 says that parameters without depth do not do the same: the shallowest network with at least as many parameters as the
deepest, by more filters, or by more units of its fully connected layer, should stay below the deepest in every run, too. Runs
are compared and not their means, as now and then one is stuck from its first weights on.

An image counts where all its digits are read rightly, as for house numbers. Depths count hidden layers: convolutions and one
fully connected layer. All see the same images, pool twice, start from He's weights and have the same rate, which falls to 0.

Source: Goodfellow, Bengio and Courville, *Deep Learning*, 2016, figures 6.6 and 6.7; Goodfellow, Bulatov, Ibarz, Arnoud and
Shet, "Multi-digit Number Recognition from Street View Imagery", ICLR 2014.
"""

from collections.abc import Callable
from itertools import count
from typing import Any

import torch
from torch import Tensor

from ajuste_fino.lecture.data import Split, digits
from ajuste_fino.lecture.findings import Check, Findings, Table
from ajuste_fino.lecture.settings import Limit
from ajuste_fino.lecture.slide import Slide, curve, show_image, slide
from ajuste_fino.lecture.stats import rank_correlation
from ajuste_fino.lecture.text import Texts
from ajuste_fino.lecture.training import falling_rate, train
from ajuste_fino.lecture.transcription import numbers, reader, right, size
from ajuste_fino.report.plots import BLUE, GREEN, ORANGE
from ajuste_fino.scratch.optim import Adam

FORMULAS = (r"z_n=f(W_n * z_{n-1}+b_n),\quad n=1,\ldots,N",)
LIMITS = {"depths": Limit(3, 50, shortest=3, rising=True), "seeds": Limit(2, 1000)}
USES = ("scratch.nn.Linear", "scratch.nn.ReLU", "scratch.functional.cross_entropy", "scratch.optim.Adam")
TESTS = 1000  # images
RATE = 3e-3

Shape = tuple[int, int, int]  # depth, filters, units of the fully connected layer


def measure(*, depths: list[int], filters: int, hidden: int, images: int, epochs: int, seeds: int) -> Findings:
    """Measure test accuracy by depth; and of the shallowest network, as large as the deepest in two ways.

    Args:
        depths: numbers of hidden layers, rising.
        filters: of each convolution.
        hidden: units of the fully connected layer.
        images: training images, each of three digits.
        epochs: of each training.
        seeds: networks, and orders of the images.
    """
    train_digits, _, test_digits = digits()
    train_set, test = numbers(train_digits, images, 0), numbers(test_digits, TESTS, 1)
    first, last = depths[0], depths[-1]
    most = size(reader(last, filters, hidden, 0))
    wide = _smallest(most, lambda n: (first, n, hidden), filters)
    dense = _smallest(most, lambda n: (first, filters, n), hidden)
    plan = [*(("depth", (depth, filters, hidden)) for depth in depths), ("filters", wide), ("fully connected", dense)]
    rows = Table(row for kind, shape in plan for row in _train(kind, shape, train_set, test, epochs, seeds))
    return Findings(_checks(rows), rows, {"examples": test.x[:4, 0], "labels": test.y[:4].tolist()})


def _smallest(parameters: int, shape: Callable[[int], Shape], start: int) -> Shape:
    """The first of the networks, by a rising number, that has so many parameters."""
    return next(shape(n) for n in count(start) if size(reader(*shape(n), seed=0)) >= parameters)


def _train(kind: str, shape: Shape, train_set: Split, test: Split, epochs: int, seeds: int) -> list[dict[str, Any]]:
    """A row for each seed."""
    names = ("depth", "filters", "hidden units")
    what = {"kind": kind, **dict(zip(names, shape, strict=True)), "parameters": size(reader(*shape, seed=0))}
    read = [_read(shape, train_set, test, epochs, seed) for seed in range(seeds)]
    return [
        {**what, "seed": seed, "accuracy": _accuracy(digits), "of single digits": float(digits.float().mean())}
        for seed, digits in enumerate(read)
    ]


def _read(shape: Shape, train_set: Split, test: Split, epochs: int, seed: int) -> Tensor:
    """Train a network; which digits of the test images it reads rightly, (N, 3)."""
    net = reader(*shape, seed)
    optimizer = Adam(net.parameters(), lr=RATE)
    train(net, optimizer, train_set.x, train_set.y, epochs, seed, watch=falling_rate(optimizer, epochs))
    return right(net, test)


def _accuracy(read: Tensor) -> float:
    """The share of images (N, 3) of which all digits are right."""
    return float(read.all(1).float().mean())


def _accuracies(rows: Table, kind: str, by: str) -> dict[int, Tensor]:
    """The accuracies of the seeds, by another column of the rows of a kind."""
    keys = dict.fromkeys(rows.column(by, kind=kind))
    return {key: torch.tensor(rows.column("accuracy", kind=kind, **{by: key})) for key in keys}


def _checks(rows: Table) -> list[Check]:
    by_depth = _accuracies(rows, "depth", "depth")
    shallowest, *_, deepest = by_depth.values()
    rank = rank_correlation(list(by_depth), [float(v.mean()) for v in by_depth.values()])
    filters, units = (_accuracies(rows, kind, "depth")[min(by_depth)] for kind in ("filters", "fully connected"))
    return [
        Check("deepest_over_shallowest", _gap(deepest, shallowest), 0),
        Check("rank", rank, 0.85, 1),
        Check("deepest_over_filters", _gap(deepest, filters), 0),
        Check("deepest_over_units", _gap(deepest, units), 0),
    ]


def _gap(a: Tensor, b: Tensor) -> float:
    """By how much the worst run of `a` is above the best of `b`."""
    return float(a.min() - b.max())


def draw(findings: Findings, texts: Texts) -> Slide:
    """Left: by depth. Middle: by parameters, in three ways. Right: what is to be read."""
    rows = findings.rows
    by_depth, by_size = (_accuracies(rows, "depth", by) for by in ("depth", "parameters"))
    layout = "aabbbc;aabbbd;aabbbe;aabbbf"
    figure, (left, middle, *examples) = slide(findings, texts, layout, width_ratios=[1, 1, 1, 1, 1, 1.5])
    curve(left, list(by_depth), by_depth.values(), color=BLUE, marker="o")
    curve(middle, list(by_size), by_size.values(), color=BLUE, marker="o", label=texts("deeper"))
    for kind, color, marker, key in (("filters", ORANGE, "s", "more_filters"), ("fully connected", GREEN, "^", "more_units")):
        larger = dict([next(iter(by_size.items())), *_accuracies(rows, kind, "parameters").items()])
        curve(middle, list(larger), larger.values(), color=color, marker=marker, label=texts(key))
    left.set_xlabel(texts("hidden_layers"))
    left.set_xticks(list(by_depth))
    middle.set_xlabel(texts("parameters"))
    left.set_ylabel(texts("accuracy_of_all"))
    left.set_ylim(0, 1)
    middle.legend(loc="lower right")
    middle.sharey(left)
    for axes, image, label in zip(examples, findings.data["examples"], findings.data["labels"], strict=False):
        show_image(axes, image, texts("digits", label=" ".join(map(str, label))), cmap="gray")
    return figure
