"""Neurons, and connections per neuron, counted on the networks of the lists and on later ones: how fast do they grow?

The band. The book says that networks have doubled in size about every 2.4 years since hidden units came. A straight line
through log₂(neurons) by year has a standard error; the claim holds if 2.4 years lie in the 95 % interval of the doubling
time, over all networks since 1980, the book's and later ones, and if that interval is no wider than from half to twice 2.4. The
book's seven alone are too few for a narrow interval: that they double in half to twice that time is an informational check.

Counting. A neuron is an element that a layer with weights puts out for one image (biases and activations are part of it); its
connections are the inputs it reads. Layers are built on torch's `meta` device, without memory, from what their papers say.

Source: Goodfellow, Bengio and Courville, *Deep Learning*, 2016, figures 1.10 and 1.11 and their lists, and the papers
named there.
"""

from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import nn

from ajuste_fino.lecture.findings import Check, Findings, Table
from ajuste_fino.lecture.settings import Limit
from ajuste_fino.lecture.slide import Slide, slide
from ajuste_fino.lecture.text import Texts
from ajuste_fino.report.plots import BLUE, GREEN, ORANGE

FORMULAS = (r"\log_2 N(t)=\log_2 N_0+t/T_2",)
LIMITS = {"confidence": Limit(0.5, 0.9999)}
USES = ("torchvision.models", 'torch.device("meta")')


class Network(NamedTuple):
    """A year, whether the book lists it, the layers, and the shape of one input."""

    name: str
    year: int
    book: bool
    layers: Any
    shape: tuple[int, ...]


def _dense(*sizes: int) -> nn.Module:
    return nn.Sequential(*(nn.Linear(a, b) for a, b in pairwise(sizes)))


def _neocognitron() -> nn.Module:
    """Three pairs of S and C planes, 24 each: 16, 10, 8, 6, 2, 1 px a side (Fukushima, 1980)."""
    s1, s2, s3 = nn.Conv2d(1, 24, 5, padding=2), nn.Conv2d(24, 24, 3), nn.Conv2d(24, 24, 5)
    c1, c2, c3 = nn.Conv2d(24, 24, 7, groups=24), nn.Conv2d(24, 24, 3, groups=24), nn.Conv2d(24, 24, 2, groups=24)
    return nn.Sequential(s1, c1, s2, c2, s3, c3)


def _lenet() -> nn.Module:
    """Convolutions of 5 × 5 and subsampling with weights, 32 px a side (LeCun, Bottou, Bengio and Haffner, 1998)."""

    def halve(maps: int) -> nn.Module:
        return nn.Conv2d(maps, maps, 2, 2, groups=maps)

    convolutions = (nn.Conv2d(1, 6, 5), halve(6), nn.Conv2d(6, 16, 5), halve(16), nn.Conv2d(16, 120, 5))
    return nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(120, 84), nn.Linear(84, 10))


def _torchvision(name: str, side: int = 224) -> tuple[Any, tuple[int, ...]]:
    def build() -> nn.Module:
        from torchvision import models

        more = {"init_weights": False, "aux_logits": False} if name == "googlenet" else {}
        return models.get_model(name, **more)

    return build, (3, side, side)


NETWORKS = (
    Network("Perceptron", 1958, True, lambda: _dense(400, 512, 8), (400,)),
    Network("ADALINE", 1960, True, lambda: _dense(16, 1), (16,)),
    Network("Neocognitron", 1980, True, _neocognitron, (1, 16, 16)),
    Network("Back-propagation", 1986, True, lambda: _dense(36, 12, 12, 6, 24), (36,)),
    Network("LeNet-5", 1998, True, _lenet, (1, 32, 32)),
    Network("Deep belief net", 2006, True, lambda: _dense(784, 500, 500, 2000, 10), (784,)),
    Network("GPU MLP", 2010, True, lambda: _dense(784, 2500, 2000, 1500, 1000, 500, 10), (784,)),
    Network("AlexNet", 2012, True, *_torchvision("alexnet")),
    Network("GoogLeNet", 2014, True, *_torchvision("googlenet")),
    Network("VGG-16", 2014, False, *_torchvision("vgg16")),
    Network("ResNet-50", 2015, False, *_torchvision("resnet50")),
    Network("ResNeXt-101", 2016, False, *_torchvision("resnext101_64x4d")),
    Network("DenseNet-201", 2017, False, *_torchvision("densenet201")),
    Network("EfficientNet-B7", 2019, False, *_torchvision("efficientnet_b7", 600)),
    Network("ViT-L/16", 2020, False, *_torchvision("vit_l_16")),
    Network("ConvNeXt-L", 2022, False, *_torchvision("convnext_large")),
)


def measure(*, confidence: float) -> Findings:
    """Count every network; fit the doubling time of the book's, and of all.

    Args:
        confidence: of the interval, 0.95 for 95 %.
    """
    rows = Table({"network": n.name, "year": n.year, "book": n.book, **_count(n)} for n in NETWORKS)
    # ADALINE and the perceptron came before hidden units were trained: the claim starts after them
    hidden = [row for row in rows if row["year"] >= 1980]
    book, whole = (_fit(part, confidence) for part in ([row for row in hidden if row["book"]], hidden))
    checks = [
        Check("low_end", whole["low"], 1.2, 2.4),
        Check("high_end", whole["high"], 2.4, 4.8),
        Check("book_alone", book["years"], 1.2, 4.8, informational=True),
    ]
    return Findings(checks, rows, {"book": book, "all": whole, "confidence": confidence})


def _count(network: Network) -> dict[str, Any]:
    """Neurons, connections, and connections of a neuron on average, for one input.

    Attention has four layers with weights: queries, keys, values and output.
    """
    count = {"neurons": 0, "connections": 0}

    def hook(layer: nn.Module, inputs: Any, output: Any) -> None:
        out = output[0] if isinstance(output, tuple) else output
        attention = isinstance(layer, nn.MultiheadAttention)
        reads: Any = layer.embed_dim if attention else torch.as_tensor(layer.weight)[0].numel()
        neurons = out.numel() * (4 if attention else 1)
        count["neurons"] += neurons
        count["connections"] += neurons * reads

    with torch.device("meta"):
        net = network.layers().eval()
        for layer in net.modules():
            if isinstance(layer, nn.Linear | nn.Conv2d | nn.MultiheadAttention):
                layer.register_forward_hook(hook)
        net(torch.empty(1, *network.shape))
    return {**count, "connections per neuron": count["connections"] / count["neurons"]}


def _fit(rows: list[dict[str, Any]], confidence: float) -> dict[str, float]:
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
    """Left: neurons by year, with both lines. Right: connections of a neuron."""
    rows = findings.rows
    figure, (left, right) = slide(findings, texts, "ab", width_ratios=[1.4, 1])
    for axes, quantity in ((left, "neurons"), (right, "connections per neuron")):
        for book, color, marker, key in ((True, BLUE, "o", "in_book"), (False, ORANGE, "s", "later")):
            axes.semilogy(
                rows.column("year", book=book), rows.column(quantity, book=book), marker, color=color, label=texts(key)
            )
        axes.set_xlabel(texts("year"))
    _annotate(left, rows)
    for name, color, key in (("book", BLUE, "book_line"), ("all", GREEN, "all_line")):
        line, years = findings.data[name], torch.tensor([1980.0, 2022.0])
        interval = f"{line['years']:.1f} [{line['low']:.1f}, {line['high']:.1f}]".replace("inf", "∞")
        sizes = 2 ** (line["slope"] * years.double() + line["intercept"])
        left.plot(years, sizes, "--", color=color, label=texts(key, interval=interval))
    left.set_ylabel(texts("neurons"))
    right.set_ylabel(texts("connections"))
    left.set_ylim(top=1e11)
    left.legend(loc="upper left", fontsize=11)
    right.legend(loc="upper left")
    return figure


def _annotate(axes: Any, rows: Table) -> None:
    """The names of some, where they do not cover each other."""
    sides = {
        "Perceptron": (6, 6),
        "ADALINE": (6, 6),
        "Neocognitron": (6, 6),
        "Back-propagation": (6, 6),
        "LeNet-5": (8, -8),
        "Deep belief net": (-40, -20),
        "GPU MLP": (6, -4),
        "AlexNet": (-62, 6),
        "VGG-16": (-52, 4),
        "EfficientNet-B7": (-80, 8),
        "ConvNeXt-L": (-62, 14),
    }
    for row in rows:
        if row["network"] in sides:
            axes.annotate(
                row["network"], (row["year"], row["neurons"]), sides[row["network"]], textcoords="offset points", fontsize=11
            )
