"""Five optimizers on one network, each at its own best rate: how many steps does each need to come where SGD ends?

The band. The four refinements were made to need fewer steps: each should reach SGD's final training loss in less than all
of SGD's steps, in the same order of images from the same first weights, at the median of the seeds. Losses are followed by
their median over an epoch's steps, here and in SGD's final loss, so that a single jump moves neither. What is compared is
training loss, so the rates are chosen by it: by the worst mean of 5 steps (320 images) within the last tenth of training,
over seeds that are not counted. The best rate has the lowest of these: one that still jumps at the end, or that fails now
and then, is not chosen. No grid may end at the chosen rate.

The network reads the digits' pixels or, with `data.root`, the cached features of the user's own images.

Source: Goodfellow, Bengio and Courville, *Deep Learning*, 2016, algorithms 8.1, 8.2, 8.4, 8.5 and 8.7.
"""

from functools import partial
from math import inf, isfinite
from statistics import median, median_low
from typing import Any

import torch
from matplotlib.animation import FuncAnimation
from torch import Tensor

from ajuste_fino.lecture.findings import Check, Findings, Table
from ajuste_fino.lecture.frozen import Features, flat
from ajuste_fino.lecture.slide import MARKERS, Slide, curve, slide
from ajuste_fino.lecture.text import Texts
from ajuste_fino.lecture.training import one_thread, train
from ajuste_fino.report.plots import COLORS
from ajuste_fino.scratch import nn
from ajuste_fino.scratch.optim import SGD, Adagrad, Adam, RMSprop

FORMULAS = (
    r"\mathrm{AdaGrad:}\;r\leftarrow r+g\odot g,\;\Delta\theta=-\frac{\epsilon}{\delta+\sqrt{r}}\odot g",
    r"\mathrm{RMSProp:}\;r\leftarrow\rho r+(1-\rho)\,g\odot g,\;\Delta\theta=-\frac{\epsilon}{\sqrt{\delta+r}}\odot g",
    r"\mathrm{Adam:}\;\Delta\theta=-\epsilon\,\frac{\hat{s}}{\sqrt{\hat{r}}+\delta},\;\hat{s}=\frac{s}{1-\rho_1^t},\;\hat{r}=\frac{r}{1-\rho_2^t}",
)
USES = ("scratch.optim.SGD", "Adagrad", "RMSprop", "Adam", "scratch.nn.Linear", "scratch.nn.ReLU")
OPTIMIZERS: dict[str, Any] = {
    "SGD": SGD,
    "momentum": partial(SGD, momentum=0.9, formulation="book"),
    "AdaGrad": Adagrad,
    "RMSProp": partial(RMSprop, formulation="book"),
    "Adam": Adam,
}
FIRST_TUNING_SEED = 1001  # these runs are not counted
BATCH = 64
SHORT = 5  # steps over whose losses the mean is taken to choose a rate


@one_thread()
def measure(
    *, rates: dict[str, list[float]], hidden: int, epochs: int, seeds: int, tuning_seeds: int, data: dict[str, str | None]
) -> Findings:
    """Tune each optimizer's rate, then train it `seeds` times and compare.

    Args:
        rates: the grid of learning rates, by optimizer.
        hidden: units of the two hidden layers.
        epochs: passes over the training images; over the 1,079 digits they have 17 steps each.
        seeds: runs that are counted; their orders and first weights are the same for all optimizers.
        tuning_seeds: runs of each rate that are not counted, by the worst of which it is chosen.
        data: `root`, where the images are whose features are learnt; null: the digits.
    """
    images = flat(data["root"])
    tuned = {
        name: [(rate, _tune(images, name, rate, hidden, epochs, tuning_seeds)) for rate in grid] for name, grid in rates.items()
    }
    best = {name: min(pairs, key=lambda pair: pair[1])[0] for name, pairs in tuned.items()}
    curves, effective = {}, {}
    for name, rate in best.items():
        runs = [_run(images, name, rate, hidden, epochs, seed) for seed in range(seeds)]
        curves[name] = torch.tensor([losses for losses, _ in runs])
        effective[name] = runs[0][1]
    window = -(-len(images.train.y) // BATCH)  # the steps of an epoch
    smooth = {name: _epoch_medians(losses, window) for name, losses in curves.items()}
    goals = smooth["SGD"][:, -1]
    ratios = {name: _step_ratios(losses, goals, window) for name, losses in smooth.items() if name != "SGD"}
    ends = {name: losses[:, -1].tolist() for name, losses in smooth.items()}
    rows = Table(
        {"optimizer": name, "rate": best[name], "seed": seed, "final loss": loss, "steps over SGD's": ratio}
        for name, losses in ends.items()
        for seed, (loss, ratio) in enumerate(zip(losses, ratios.get(name, [1.0] * seeds), strict=True))
    )
    drawn = {"smooth": smooth, "window": window, "effective": effective, "best": best, "goal": float(goals.median())}
    return Findings(_checks(ratios, best, rates), rows, drawn, images.can_be_judged)


def _net(inputs: int, hidden: int, classes: int, seed: int) -> torch.nn.Sequential:
    torch.manual_seed(seed)
    first, second = nn.Linear(inputs, hidden), nn.Linear(hidden, hidden)
    return torch.nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.Linear(hidden, classes))


def _tune(images: Features, name: str, rate: float, hidden: int, epochs: int, seeds: int) -> float:
    """The worst training loss at the end of the runs that are not counted; infinite where one diverged."""
    numbers = range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + seeds)
    losses = [_worst_at_the_end(torch.tensor(_run(images, name, rate, hidden, epochs, seed)[0])) for seed in numbers]
    return max(losses) if all(isfinite(loss) for loss in losses) else inf


def _worst_at_the_end(losses: Tensor) -> float:
    """The largest mean of a few steps in a row, within the last tenth of all (steps,)."""
    last = losses[-max(len(losses) // 10, SHORT) :]
    return float(last.unfold(0, min(SHORT, len(last)), 1).mean(1).max())


def _run(images: Features, name: str, rate: float, hidden: int, epochs: int, seed: int) -> tuple[list[float], Tensor]:
    """Losses of all steps, and the effective rate of each weight at the end."""
    data, net = images.train, _net(images.num_features, hidden, images.classes, seed)
    optimizer = OPTIMIZERS[name](net.parameters(), lr=rate)
    losses = train(net, optimizer, data.x, data.y, epochs, seed, BATCH)
    return losses, torch.cat([_effective_rates(optimizer, p, rate).flatten() for p in net.parameters()])


def _effective_rates(optimizer: Any, parameter: Tensor, rate: float) -> Tensor:
    """What a gradient is multiplied by: ε, or ε over the root of the accumulated squares."""
    state, group = optimizer.state[parameter], optimizer.param_groups[0]
    if "sum" in state:
        return rate / (group["eps"] + state["sum"].sqrt())
    if "square_avg" in state:
        return rate / (group["eps"] + state["square_avg"]).sqrt()
    if "exp_avg_sq" in state:
        corrected = state["exp_avg_sq"] / (1 - group["betas"][1] ** float(state["step"]))
        return rate / (corrected.sqrt() + group["eps"])
    return torch.full_like(parameter, rate / (1 - group["momentum"]))  # the velocity adds up


def _epoch_medians(losses: Tensor, window: int) -> Tensor:
    """Medians over the steps of an epoch, (seeds, steps − window + 1)."""
    return losses.unfold(1, window, 1).median(-1).values


def _step_ratios(smooth: Tensor, goals: Tensor, window: int) -> list[float]:
    """For each seed the steps until SGD's final loss, over all of SGD's steps; infinite where it is not reached."""
    below, steps = [(row <= goal).nonzero() for row, goal in zip(smooth, goals, strict=True)], smooth.shape[1] + window - 1
    return [float(hit[0] + window) / steps if len(hit) else inf for hit in below]


def _checks(ratios: dict[str, list[float]], best: dict[str, float], rates: dict[str, list[float]]) -> list[Check]:
    checks = [Check("steps_ratio", median(of_seeds), 0, 0.99, values={"optimizer": name}) for name, of_seeds in ratios.items()]
    ends = sum(best[name] in (min(grid), max(grid)) for name, grid in rates.items())
    return [*checks, Check("grid_ends", ends, 0, 0, explanation="wider")]


def draw(findings: Findings, texts: Texts) -> Slide:
    """Left: training loss with the seeds' spread. Right: the effective rates of all weights."""
    data = findings.data
    figure, (left, right) = slide(findings, texts, "ab", width_ratios=[1.3, 1])
    for (name, smooth), color, marker in zip(data["smooth"].items(), COLORS, MARKERS, strict=False):
        first, label = data["window"], texts("optimizer", name=name, rate=data["best"][name])
        x = range(first, first + smooth.shape[1])
        curve(left, x, smooth.mT, median_low, color=color, label=label, marker=marker, markevery=40)
    left.axhline(data["goal"], color="0.4", linestyle=":", label=texts("goal"))
    left.set_yscale("log")
    left.set_xlabel(texts("step"))
    left.set_ylabel(texts("loss"))
    left.legend()
    _draw_quantiles(right, data["effective"])
    right.set_ylabel(texts("effective"))
    return figure


def _draw_quantiles(axes: Any, effective: dict[str, Tensor]) -> None:
    """A thin bar from 5 to 95 %, a thick one from 25 to 75 %, and the median."""
    for n, (values, color) in enumerate(zip(effective.values(), COLORS, strict=False)):
        low, q1, middle, q3, high = (float(values.quantile(q)) for q in (0.05, 0.25, 0.5, 0.75, 0.95))
        axes.plot([n, n], [low, high], color=color, linewidth=2)
        axes.plot([n, n], [q1, q3], color=color, linewidth=10, alpha=0.6)
        axes.plot(n, middle, "o", color=color, markersize=9, markeredgecolor="white")
    axes.set_yscale("log")
    axes.set_xticks(range(len(effective)), list(effective), rotation=20)


def animate(findings: Findings, texts: Texts) -> FuncAnimation:
    """The losses as training goes on, an epoch a frame."""
    window = findings.data["window"]
    smooth = {name: losses.median(0).values for name, losses in findings.data["smooth"].items()}
    figure, (axes,) = slide(findings, texts)
    lines = [axes.plot([], [], color=color, label=name)[0] for name, color in zip(smooth, COLORS, strict=False)]
    length = len(next(iter(smooth.values())))
    low, high = (min(float(s.min()) for s in smooth.values()), max(float(s.max()) for s in smooth.values()))
    axes.set(xlim=(0, length + window), yscale="log", ylim=(max(low / 1.3, 1e-6), high * 1.3))
    axes.set_xlabel(texts("step"))
    axes.set_ylabel(texts("loss"))
    axes.legend(loc="lower left")

    def frame(step: int) -> list[Any]:
        for line, values in zip(lines, smooth.values(), strict=True):
            line.set_data(range(window, window + step), values[:step])
        return lines

    return FuncAnimation(figure, frame, frames=[*range(1, length, window), length], interval=120)
