"""Two problems of gradient descent and what momentum does about them: a badly conditioned valley, and noisy gradients.

The bands. On a quadratic with condition number κ gradient descent at its best rate contracts by (κ−1)/(κ+1) a step, and
momentum at its best pair by (√κ−1)/(√κ+1): the steps' ratio tends to 1/√κ, 0.1 for κ = 100, more at first because momentum's
polynomial factor delays it; below 0.25 is expected. A gradient averaged over m independent examples has 1/m of one
example's variance: a slope of −1 ± 0.1 in logarithms. The velocity (1−α) Σ αᵏ g has the gradient's mean and
(1−α)/(1+α) of its variance; within a quarter of that. Under the schedule ε_k of algorithm 8.1 the noise dies out, under a
constant rate it does not: at most half the distance from the minimum.

Sources: Goodfellow, Bengio and Courville, *Deep Learning*, 2016, algorithms 8.1 and 8.2, figure 8.5; Polyak, 1964.
"""

import math
from typing import Any

import torch
from matplotlib.animation import FuncAnimation
from matplotlib.axes import Axes
from torch import Tensor

from ajuste_fino.lecture.findings import Check, Findings, Table
from ajuste_fino.lecture.settings import Limit
from ajuste_fino.lecture.slide import Slide, slide
from ajuste_fino.lecture.text import Texts
from ajuste_fino.report.plots import BLUE, GREEN, ORANGE
from ajuste_fino.scratch.optim import SGD

FORMULAS = (
    r"v\leftarrow\alpha v-\epsilon\,\frac{1}{m}\nabla_\theta\sum_i L(f(x^{(i)};\theta),y^{(i)}),\quad\theta\leftarrow\theta+v",
    r"\epsilon_k=(1-\frac{k}{\tau})\,\epsilon_0+\frac{k}{\tau}\,\epsilon_\tau",
)
LIMITS = {
    "condition": Limit(1.01, 1e6),
    "tolerance": Limit(1e-12, 0.5),
    "batches": Limit(1, 4000, shortest=2),
    "alpha": Limit(0, 0.99),
    "steps": Limit(200, 10**7),
}
USES = ("scratch.optim.SGD",)
START = (10.0, 0.3)
SAMPLES = 4000
PATH_COLORS = {"gd": BLUE, "momentum": ORANGE}


def measure(*, condition: float, tolerance: float, batches: list[int], alpha: float, steps: int, seeds: int) -> Findings:
    """Steps to the tolerance, both paths; the variance of gradient and velocity by the minibatch's size.

    Args:
        condition: κ of the quadratic ½ (θ₁² + κ θ₂²).
        tolerance: distance from the minimum, relative to the start's.
        batches: minibatch sizes m.
        alpha: the velocity's memory, in the noisy problem.
        steps: minibatches drawn for each size.
        seeds: repetitions of the noisy problem.
    """
    paths = {name: _descend(condition, tolerance, *pair) for name, pair in _best_rates(condition).items()}
    noise = Table(row for seed in range(seeds) for row in _measure_noise(batches, alpha, steps, seed))
    distances = torch.tensor([[_final_distance(seed, steps, schedule) for schedule in (False, True)] for seed in range(seeds)])
    rows = Table([*({"what": name, "steps": len(path) - 1} for name, path in paths.items()), *noise])
    data = {"paths": paths, "noise": noise, "condition": condition, "alpha": alpha}
    return Findings(_checks(paths, noise, alpha, distances), rows, data)


def _best_rates(kappa: float) -> dict[str, tuple[float, float]]:
    """Rate and α that contract a quadratic with eigenvalues 1 … κ the most."""
    root = math.sqrt(kappa)
    return {"gd": (2 / (1 + kappa), 0.0), "momentum": (4 / (1 + root) ** 2, ((root - 1) / (root + 1)) ** 2)}


def _descend(kappa: float, tolerance: float, rate: float, alpha: float) -> list[tuple[float, float]]:
    curvature = torch.tensor([1.0, kappa], dtype=torch.float64)
    theta = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    optimizer = SGD([theta], lr=rate, momentum=alpha, formulation="book")
    path = [tuple(theta.tolist())]
    while math.hypot(*path[-1]) > tolerance * math.hypot(*START) and len(path) < 100_000:
        theta.grad = curvature * theta.detach()
        optimizer.step()
        path.append(tuple(theta.tolist()))
    return path


def _population(seed: int) -> Tensor:
    """Per-example gradients of a linear model's squared error at its first weights, (SAMPLES, 10)."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(SAMPLES, 10, generator=generator, dtype=torch.float64)
    y = x @ torch.randn(10, generator=generator, dtype=torch.float64) + torch.randn(SAMPLES, generator=generator).double()
    return -y[:, None] * x


def _measure_noise(batches: list[int], alpha: float, steps: int, seed: int) -> list[dict[str, Any]]:
    """Variance over steps of the minibatch gradient and of the optimizer's velocity at a rate so small that θ stays."""
    examples, rows = _population(seed), []
    generator = torch.Generator().manual_seed(seed)
    for m in batches:
        theta = torch.zeros(10, dtype=torch.float64, requires_grad=True)
        optimizer, seen = SGD([theta], lr=1e-12, momentum=alpha), []
        for _ in range(steps):
            chosen = torch.randint(SAMPLES, (m,), generator=generator)
            theta.grad = examples[chosen].mean(0)
            optimizer.step()
            velocity = optimizer.state[theta]["momentum_buffer"]
            seen.append(torch.stack([theta.grad, (1 - alpha) * velocity]))
        settled = torch.stack(seen)[round(5 / (1 - alpha)) :]  # the velocity starts from the first gradient
        for what, variance in zip(("gradient", "velocity"), settled.var(0).mean(-1).tolist(), strict=True):
            rows.append({"what": what, "m": m, "seed": seed, "variance": variance})
    return rows


def _final_distance(seed: int, steps: int, schedule: bool) -> float:
    """Mean distance from the minimum of a noisy quadratic over the last tenth of the steps."""
    generator = torch.Generator().manual_seed(seed)
    theta = torch.full((10,), 3.0, dtype=torch.float64, requires_grad=True)
    optimizer, distances = SGD([theta], lr=0.2), []
    for k in range(steps):
        share = k / steps if schedule else 0
        optimizer.param_groups[0]["lr"] = (1 - share) * 0.2 + share * 0.002
        theta.grad = theta.detach() + torch.randn(10, generator=generator).double()
        optimizer.step()
        distances.append(float(theta.detach().norm()))
    return sum(distances[-(steps // 10) :]) / (steps // 10)


def _checks(paths: dict[str, Any], noise: Table, alpha: float, distances: Tensor) -> list[Check]:
    ratio = (len(paths["momentum"]) - 1) / (len(paths["gd"]) - 1)
    sizes = sorted({row["m"] for row in noise})
    logs = [math.log(noise.mean("variance", what="gradient", m=m)) for m in sizes]
    slope = (logs[-1] - logs[0]) / (math.log(sizes[-1]) - math.log(sizes[0]))
    share = sum(
        noise.mean("variance", what="velocity", m=m) / noise.mean("variance", what="gradient", m=m) for m in sizes
    ) / len(sizes)
    theory = (1 - alpha) / (1 + alpha)
    left = float(distances[:, 1].mean() / distances[:, 0].mean())
    return [
        Check("steps_ratio", ratio, 0, 0.25),
        Check("slope", slope, -1.1, -0.9),
        Check("variance_ratio", share, 0.75 * theory, 1.25 * theory),
        Check("distance_ratio", left, 0, 0.5),
    ]


def draw(findings: Findings, texts: Texts) -> Slide:
    """Left: both paths over the contours. Right: variances by the minibatch's size."""
    data = findings.data
    figure, (left, right) = slide(findings, texts, "ab", width_ratios=[1.3, 1])
    _draw_contours(left, data["condition"], texts)
    for name, path in data["paths"].items():
        label = texts("path", optimizer=texts(name), steps=len(path) - 1)
        left.plot(*zip(*path, strict=True), ".-", color=PATH_COLORS[name], label=label, linewidth=1.5)
    left.legend(loc="upper right")
    _draw_variances(right, data["noise"], data["alpha"], texts)
    return figure


def _draw_variances(axes: Axes, noise: Table, alpha: float, texts: Texts) -> None:
    sizes = sorted(set(noise.column("m")))
    for what, color, marker in (("gradient", BLUE, "o"), ("velocity", ORANGE, "s")):
        means = [noise.mean("variance", what=what, m=m) for m in sizes]
        axes.loglog(sizes, means, marker + "-", color=color, label=texts(what, alpha=alpha))
    first = noise.mean("variance", what="gradient", m=sizes[0])
    axes.loglog(sizes, [2 * first * sizes[0] / m for m in sizes], ":", color="0.3", label=texts("theory"))
    axes.set_xlabel(texts("minibatch"))
    axes.set_ylabel(texts("variance"))
    axes.legend()


def _draw_contours(axes: Axes, condition: float, texts: Texts) -> None:
    x, y = torch.meshgrid(torch.linspace(-4, 11, 120), torch.linspace(-1.6, 1.6, 120), indexing="xy")
    levels = [0.5 * level**2 for level in range(1, 20, 2)]
    axes.contour(x, y, (x**2 + condition * y**2) / 2, levels=levels, colors="0.75", linewidths=1)
    axes.plot(0, 0, "*", color=GREEN, markersize=14)
    axes.set_xlabel(texts("theta_1"))
    axes.set_ylabel(texts("theta_2", condition=condition))
    axes.grid(False)


def animate(findings: Findings, texts: Texts) -> FuncAnimation:
    """Both paths: one step a frame for 40 steps, then three steps a frame."""
    data = findings.data
    figure, (axes,) = slide(findings, texts)
    _draw_contours(axes, data["condition"], texts)
    lines = [axes.plot([], [], ".-", color=color, label=texts(name), linewidth=1.5)[0] for name, color in PATH_COLORS.items()]
    axes.legend(loc="upper right")
    count = axes.text(0.02, 0.04, "", transform=axes.transAxes)

    longest = min(max(len(path) for path in data["paths"].values()), 130)  # the rest cannot be seen at this scale

    def frame(step: int) -> list[Any]:
        for line, path in zip(lines, data["paths"].values(), strict=True):
            line.set_data(*zip(*path[: step + 1], strict=True))
        count.set_text(texts("step_count", step=step))
        return [*lines, count]

    return FuncAnimation(figure, frame, frames=[*range(40), *range(40, longest, 3), longest], interval=100)
