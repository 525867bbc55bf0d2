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
from matplotlib.axes import Axes

from ajuste_fino.lecture.data import digits
from ajuste_fino.lecture.findings import Check, Findings, Table
from ajuste_fino.lecture.settings import Limit
from ajuste_fino.lecture.slide import MARKERS, Slide, band, integer_ticks, slide
from ajuste_fino.lecture.text import Texts
from ajuste_fino.report.plots import BLUE, GREEN, ORANGE
from ajuste_fino.scratch import nn
from ajuste_fino.scratch.functional import cross_entropy

FORMULAS = (r"f_s(z)=\max\{0,z\}", r"\delta_n=f'(a_n)\odot W_{n+1}^{T}\,\delta_{n+1}")
LIMITS = {"depths": Limit(2, 200)}
USES = ("scratch.nn.Linear", "scratch.nn.ReLU", "scratch.nn.Sigmoid", "scratch.nn.Tanh", "scratch.functional.cross_entropy")
ACTIVATIONS = {"ReLU": (nn.ReLU, "relu"), "tanh": (nn.Tanh, "glorot"), "sigmoid": (nn.Sigmoid, "glorot")}
STYLES = dict(zip(ACTIVATIONS, zip((BLUE, GREEN, ORANGE), MARKERS, strict=False), strict=True))


def measure(*, depths: list[int], width: int, seeds: int) -> Findings:
    """Gradient norms ‖∂L/∂W_n‖ at the initial weights, all training digits at once.

    Args:
        depths: numbers of fully connected layers.
        width: units of a hidden layer.
        seeds: networks drawn for each depth and activation.
    """
    rows = Table()
    for name in ACTIVATIONS:
        for depth in depths:
            norms = torch.tensor([_norms(name, depth, width, seed) for seed in range(seeds)])  # (seeds, layers)
            rows += [
                {"activation": name, "depth": depth, "layer": n + 1, "norm": float(column.median())}
                | {"low": float(column.min()), "high": float(column.max())}
                for n, column in enumerate(norms.mT)
            ]
    ratios = {name: _gradient_ratio(rows, name, max(depths)) for name in ACTIVATIONS}
    return Findings(_checks(ratios, max(depths)), rows, {"depths": depths})


def _norms(name: str, depth: int, width: int, seed: int) -> list[float]:
    torch.manual_seed(seed)
    data = digits()[0]
    net = _net(name, depth, width)
    cross_entropy(net(data.flat), data.y).backward()
    return [float(torch.as_tensor(layer.weight.grad).norm()) for layer in net if isinstance(layer, nn.Linear)]


def _net(name: str, depth: int, width: int) -> torch.nn.Sequential:
    kind, initial = ACTIVATIONS[name]
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


def _gradient_ratio(rows: Table, name: str, depth: int) -> float:
    """The first layer's gradient over the last layer's, both medians over the seeds."""
    norms = rows.column("norm", activation=name, depth=depth)
    return norms[0] / norms[-1]


def _checks(ratios: dict[str, float], depth: int) -> list[Check]:
    def check(name: str, low: float, high: float, explanation: str | None = None) -> Check:
        return Check("ratio", ratios[name], low, high, explanation=explanation, values={"activation": name, "depth": depth})

    return [
        check("ReLU", 0.1, 10),
        check("sigmoid", 0, 1e-6),
        check("tanh", ratios["sigmoid"], ratios["ReLU"], "tanh_keeps"),
    ]


def draw(findings: Findings, texts: Texts) -> Slide:
    """Left: the norm at every layer of the deepest network. Right: what is left of it, by depth, and what was expected."""
    rows, depths = findings.rows, findings.data["depths"]
    figure, (left, right) = slide(findings, texts, "ab")
    for name, (color, marker) in STYLES.items():
        style: Any = {"marker": marker, "color": color, "label": texts(name)}
        columns = (rows.column(column, activation=name, depth=max(depths)) for column in ("layer", "norm", "low", "high"))
        band(left, *columns, **style)
        right.plot(depths, [_gradient_ratio(rows, name, depth) for depth in depths], **style)
    left.set_xlabel(texts("layer", depth=max(depths)))
    left.set_ylabel(texts("norm"))
    right.set_xlabel(texts("depth"))
    right.set_ylabel(texts("first_over_last"))
    integer_ticks(left)
    right.set_xticks(depths)
    for axes in (left, right):
        axes.set_yscale("log")
    _draw_bands(right, findings, max(depths), texts)
    left.legend(loc="lower right")
    right.legend(loc="lower left")
    return figure


def _draw_bands(axes: Axes, findings: Findings, depth: int, texts: Texts) -> None:
    """What each check expects of the deepest network, as a bar to the right of its value, and whether it holds."""
    ends = [end for check in findings.checks for end in (check.low, check.high, check.value) if end > 0]
    bottom, top = min(ends) / 10, max(ends) * 30
    for n, check in enumerate(findings.checks, start=1):
        x, low = depth * (1 + 0.06 * n), max(check.low, bottom)
        label = texts("band", depth=depth) if n == 1 else None
        color = STYLES[check.values["activation"]][0]
        axes.plot([x, x], [low, check.high], color=color, linewidth=9, alpha=0.4, solid_capstyle="butt", label=label)
        axes.text(x, check.high * 1.5, "✓" if check.holds else "✗", color=color, ha="center", fontsize=16, weight="bold")
    axes.set_ylim(bottom, top)
