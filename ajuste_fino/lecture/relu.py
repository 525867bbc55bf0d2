"""What reaches the first layer of a deep network, and how well it trains, by activation, depth and initial weights.

The bands, of the first gradient, at today's initial weights. Backwards through a layer the gradient is multiplied by Wᵀ and
f′. He's keep the second moment of ReLU's gradient in expectation: between a tenth and ten times is expected of the medians.
Sigmoid's weights are made four times as large as tanh's, as its slope is 1/4 at 0 where tanh's is 1; away from 0 both have
less, and sigmoid's outputs are not centred there: of 20 layers less than a hundredth is expected to arrive. Tanh must lose
some as well: less than ReLU keeps, and more than sigmoid.

The bands, of training. The claim is that deep networks train with ReLU where they did not before: after the same steps ReLU's
loss should be at most nine tenths of tanh's, and of sigmoid's, at the greatest depth, by the medians of the runs. It is
judged twice: from the weights that were the custom when the claim was made, the same for all three, and from those that have
since been derived for each of them. Each of the six has the rate of the grid whose loss is lowest in a run that is not
counted, at each depth.

Sources: those of `deep.py`; Glorot, Bordes and Bengio, "Deep Sparse Rectifier Neural Networks", AISTATS 2011; Goodfellow,
Bengio and Courville, *Deep Learning*, 2016, sections 6.3 and 8.4.
"""

from itertools import product
from math import inf, isfinite, nan
from statistics import median
from typing import Any

import torch
from matplotlib.axes import Axes

from ajuste_fino.lecture.data import digits
from ajuste_fino.lecture.deep import ACTIVATIONS, HISTORICAL, STARTS, TODAY, deep_net
from ajuste_fino.lecture.findings import Check, Findings, Table
from ajuste_fino.lecture.settings import Limit
from ajuste_fino.lecture.slide import MARKERS, Slide, band, curve, integer_ticks, slide
from ajuste_fino.lecture.text import Texts
from ajuste_fino.lecture.training import one_thread, train
from ajuste_fino.report.plots import BLUE, GREEN, ORANGE
from ajuste_fino.scratch import nn
from ajuste_fino.scratch.functional import cross_entropy
from ajuste_fino.scratch.optim import SGD

FORMULAS = (r"f_s(z)=\max\{0,z\}", r"\delta_n=f'(a_n)\odot W_{n+1}^{T}\,\delta_{n+1}")
LIMITS = {"depths": Limit(2, 200, rising=True)}
USES = ("scratch.nn.Linear", "scratch.nn.ReLU", "scratch.nn.Sigmoid", "scratch.nn.Tanh", "scratch.optim.SGD")
COLORS = dict(zip(ACTIVATIONS, (BLUE, GREEN, ORANGE), strict=True))
MOMENTUM = 0.9
TUNING_SEED = 1001  # its runs are not counted
NOT_LEARNT = 2.2  # nats: by chance among ten classes it is ln 10 = 2.3


@one_thread()
def measure(*, depths: list[int], width: int, epochs: int, rates: list[float], seeds: int) -> Findings:
    """Measure gradient norms ‖∂L/∂W_n‖ at the initial weights, all training digits at once; and the loss after training.

    Args:
        depths: numbers of fully connected layers.
        width: units of a hidden layer.
        epochs: of each training, by momentum, 17 steps each.
        rates: the grid of learning rates.
        seeds: networks drawn for each depth, activation and start.
    """
    rows = Table()
    for name, depth in product(ACTIVATIONS, depths):
        norms = torch.tensor([_norms(name, depth, width, seed) for seed in range(seeds)])  # (seeds, layers)
        rows += [
            {"of": "gradient", "activation": name, "start": TODAY, "depth": depth, "layer": n + 1}
            | {"norm": float(column.median()), "low": float(column.min()), "high": float(column.max())}
            for n, column in enumerate(norms.mT)
        ]
    for name, start, depth in product(ACTIVATIONS, STARTS, depths):
        rate = min(rates, key=lambda rate: _loss(name, start, depth, width, epochs, rate, TUNING_SEED))
        what = {"of": "training", "activation": name, "start": start, "depth": depth, "rate": rate}
        rows += [{**what, "seed": s, "loss": _loss(name, start, depth, width, epochs, rate, s)} for s in range(seeds)]
    return Findings(_checks(rows, max(depths)), rows, {"depths": depths})


def _norms(name: str, depth: int, width: int, seed: int) -> list[float]:
    data, net = digits()[0], deep_net(name, TODAY, depth, width, seed)
    cross_entropy(net(data.flat), data.y).backward()
    return [float(torch.as_tensor(layer.weight.grad).norm()) for layer in net if isinstance(layer, nn.Linear)]


def _loss(name: str, start: str, depth: int, width: int, epochs: int, rate: float, seed: int) -> float:
    """The mean training loss of the last epoch's steps; infinite where it diverged."""
    data, net = digits()[0], deep_net(name, start, depth, width, seed)
    losses = train(net, SGD(net.parameters(), lr=rate, momentum=MOMENTUM), data.flat, data.y, epochs, seed)
    last = losses[-(len(losses) // epochs) :]
    return sum(last) / len(last) if all(map(isfinite, last)) else inf


def _gradient_ratio(rows: Table, name: str, depth: int) -> float:
    """The first layer's gradient over the last layer's, both medians over the seeds."""
    norms = rows.column("norm", of="gradient", activation=name, depth=depth)
    return norms[0] / norms[-1]


def _checks(rows: Table, depth: int) -> list[Check]:
    ratios = {name: _gradient_ratio(rows, name, depth) for name in ACTIVATIONS}

    def gradient(name: str, low: float, high: float, explanation: str | None = None) -> Check:
        return Check("ratio", ratios[name], low, high, explanation=explanation, values={"activation": name, "depth": depth})

    def training(start: str, other: str) -> Check:
        relu, loss = (
            median(rows.column("loss", of="training", activation=name, start=start, depth=depth)) for name in ("ReLU", other)
        )
        unlearnt, values = min(relu, loss) > NOT_LEARNT, {"start": start, "activation": other, "depth": depth}
        return Check(
            "loss_ratio",
            relu / loss if isfinite(loss) else nan,  # diverging is no way to lose
            low=0,
            high=0.9,
            explanation="none_trains" if unlearnt else "lower_then" if start == HISTORICAL else "lower_today",
            values=values,
        )

    gradients = [
        gradient("ReLU", 0.1, 10),
        gradient("sigmoid", 0, 1e-2),
        gradient("tanh", ratios["sigmoid"], ratios["ReLU"], "tanh_keeps"),
    ]
    return gradients + [training(start, other) for start, other in product(STARTS, ("tanh", "sigmoid"))]


def draw(findings: Findings, texts: Texts) -> Slide:
    """Left: the first gradient at every layer of the deepest network. Right: the loss after training, by depth and start."""
    rows, depths = findings.rows, findings.data["depths"]
    figure, (left, right) = slide(findings, texts, "ab", width_ratios=[1, 1.3])
    for (name, color), marker in zip(COLORS.items(), MARKERS, strict=False):
        columns = (rows.column(c, of="gradient", activation=name, depth=max(depths)) for c in ("layer", "norm", "low", "high"))
        band(left, *columns, marker=marker, color=color, label=texts(name))
    left.set_xlabel(texts("layer", depth=max(depths)))
    left.set_ylabel(texts("norm"))
    left.set_yscale("log")
    integer_ticks(left)
    left.legend(loc="lower right")
    _draw_losses(right, rows, depths, texts)
    return figure


def _draw_losses(axes: Axes, rows: Table, depths: list[int], texts: Texts) -> None:
    for ((name, color), marker), start in product(zip(COLORS.items(), MARKERS, strict=False), STARTS):
        losses = [rows.column("loss", of="training", activation=name, start=start, depth=depth) for depth in depths]
        style: dict[str, Any] = {"color": color, "marker": marker, "linestyle": "-" if start == TODAY else "--"}
        curve(axes, depths, losses, label=texts("curve", activation=texts(name), start=texts(start)), **style)
    axes.set_yscale("log")
    axes.set_xticks(depths)
    axes.set_xlabel(texts("depth"))
    axes.set_ylabel(texts("loss"))
    axes.legend(ncols=3, fontsize=10, loc="lower center", bbox_to_anchor=(0.5, 1))
