"""How much gradient is left at the first layer, by the activation and the depth.

The band. Backwards through a layer the gradient is multiplied by Wᵀ and f′. Sigmoid's slope is at most 1/4, so 20 layers
leave less than 4⁻¹⁹ ≈ 4·10⁻¹² of it, times what the weights give back; fewer than a millionth is expected. He's initial
weights keep the second moment of ReLU's gradient in expectation: between a tenth and ten times is expected of the
medians. Tanh's slope is 1 at 0 only, so with Glorot's weights some must be lost: less than ReLU keeps.

Sources: Glorot and Bengio, AISTATS 2010; He, Zhang, Ren and Sun, "Delving Deep into Rectifiers", ICCV 2015; Goodfellow,
Bengio and Courville, *Deep Learning*, 2016, section 6.3.
"""

from itertools import pairwise
from typing import Any

import torch

from ajuste_fino.lecture.data import digits
from ajuste_fino.lecture.findings import Check, Findings, Limit, Text, words
from ajuste_fino.lecture.slide import MARKERS, Slide, slide, whole
from ajuste_fino.report.plots import BLUE, GREEN, ORANGE
from ajuste_fino.scratch import nn
from ajuste_fino.scratch.functional import cross_entropy

TITLE = Text(
    "With ReLU the gradient reaches the first layer of a deep network; with sigmoid it vanishes on the way",
    "Con ReLU el gradiente llega hasta la primera capa de una red profunda; con la sigmoide se desvanece en el camino",
)
FORMULAS = (r"f_s(z)=\max\{0,z\}", r"\delta_n=f'(a_n)\odot W_{n+1}^{T}\,\delta_{n+1}")
LIMITS = {"depths": Limit(2, 200)}
USES = ("scratch.nn.Linear", "scratch.nn.ReLU", "scratch.nn.Sigmoid", "scratch.nn.Tanh", "scratch.functional.cross_entropy")
KINDS = {"ReLU": (nn.ReLU, "relu"), "tanh": (nn.Tanh, "glorot"), "sigmoid": (nn.Sigmoid, "glorot")}
TANH = Text(
    "Glorot's initial weights keep tanh's units near 0, where its slope is 1: at the start it loses no gradient. It is the "
    "sigmoid, whose slope is at most 1/4, that does.",
    "Los pesos iniciales de Glorot mantienen las unidades de tanh cerca de 0, donde su pendiente es 1: al comienzo no pierde "
    "gradiente. Quien lo pierde es la sigmoide, cuya pendiente es a lo sumo 1/4.",
)
LOOKS = dict(zip(KINDS, zip((BLUE, GREEN, ORANGE), MARKERS, strict=False), strict=True))


def measure(*, depths: list[int], width: int, seeds: int) -> Findings:
    """Gradient norms ‖∂L/∂W_n‖ at the initial weights, all training digits at once.

    Args:
        depths: numbers of fully connected layers.
        width: units of a hidden layer.
        seeds: networks drawn for each depth and activation.
    """
    rows = []
    for name in KINDS:
        for depth in depths:
            norms = torch.tensor([_norms(name, depth, width, seed) for seed in range(seeds)])  # (seeds, layers)
            rows += [
                {"activation": name, "depth": depth, "layer": n + 1, "norm": float(column.median())}
                | {"low": float(column.min()), "high": float(column.max())}
                for n, column in enumerate(norms.mT)
            ]
    left = {name: _left(rows, name, max(depths)) for name in KINDS}
    return Findings(_checks(left, max(depths)), rows, {"depths": depths})


def _norms(name: str, depth: int, width: int, seed: int) -> list[float]:
    torch.manual_seed(seed)
    part = digits()[0]
    net = _net(name, depth, width)
    cross_entropy(net(part.flat), part.y).backward()
    return [float(torch.as_tensor(layer.weight.grad).norm()) for layer in net if isinstance(layer, nn.Linear)]


def _net(name: str, depth: int, width: int) -> torch.nn.Sequential:
    kind, initial = KINDS[name]
    sizes, layers = [64, *[width] * (depth - 1), 10], []
    for inputs, outputs in pairwise(sizes):
        linear = nn.Linear(inputs, outputs)
        if initial == "relu":
            torch.nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
        else:
            torch.nn.init.xavier_normal_(linear.weight)
        torch.nn.init.zeros_(linear.bias)
        layers += [linear, kind()]
    return torch.nn.Sequential(*layers[:-1])


def _left(rows: list[dict[str, Any]], name: str, depth: int) -> float:
    """The first layer's gradient over the last layer's, both medians over the seeds."""
    norms = [row["norm"] for row in rows if row["activation"] == name and row["depth"] == depth]
    return norms[0] / norms[-1]


def _checks(left: dict[str, float], depth: int) -> list[Check]:
    def what(name: str) -> Text:
        return Text(
            f"{name}, {depth} layers: gradient of the first layer over that of the last",
            f"{name}, {depth} capas: gradiente de la primera capa sobre el de la última",
        )

    return [
        Check(what("ReLU"), left["ReLU"], 0.1, 10),
        Check(what("sigmoid"), left["sigmoid"], 0, 1e-6),
        Check(what("tanh"), left["tanh"], left["sigmoid"], left["ReLU"], otherwise=TANH),
    ]


def draw(findings: Findings, lang: str = "en") -> Slide:
    """Left: the norm at every layer of the deepest network. Right: what is left of it, by depth."""
    say, depths = words(lang), findings.data["depths"]
    figure, (left, right) = slide(TITLE, lang, "ab")
    for name, (color, marker) in LOOKS.items():
        label = say(name, {"sigmoid": "sigmoide"}.get(name, name))
        here = {"activation": name, "depth": max(depths)}
        layers = findings.column("layer", **here)
        left.plot(layers, findings.column("norm", **here), marker=marker, color=color, label=label)
        left.fill_between(layers, findings.column("low", **here), findings.column("high", **here), color=color, alpha=0.2)
        right.plot(depths, [_left(list(findings.rows), name, d) for d in depths], marker=marker, color=color, label=label)
    left.set_xlabel(say(f"layer, of {max(depths)}", f"capa, de {max(depths)}"))
    left.set_ylabel(
        say("gradient norm ‖∂L/∂W‖ (nats per unit of weight)", "norma del gradiente ‖∂L/∂W‖ (nats por unidad de peso)")
    )
    right.set_xlabel(say("depth (layers)", "profundidad (capas)"))
    right.set_ylabel(say("first layer's norm / last layer's", "norma de la primera capa / de la última"))
    for axes in (left, right):
        whole(axes)
        axes.set_yscale("log")
        axes.legend(loc="lower right" if axes is left else "lower left")
    return figure
