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
from torch import Tensor

from ajuste_fino.lecture.findings import Check, Findings, Limit, Text, mean, words
from ajuste_fino.lecture.slide import Slide, slide
from ajuste_fino.report.plots import BLUE, GREEN, ORANGE
from ajuste_fino.scratch.optim import SGD

TITLE = Text(
    "Momentum traverses the canyon lengthwise, in a fraction of gradient descent's steps; its velocity is a calmer gradient",
    "El momentum recorre el cañón a lo largo, en una fracción de los pasos; su velocidad es un gradiente más tranquilo",
)
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
NOTE = Text(
    "The slides, and this experiment, have the rate inside the velocity (formulation=book); torch has v ← αv + g, θ ← θ − εv: "
    "the same while ε is constant. Noise is compared on (1 − α) v, which has the gradient's mean; v itself varies more.",
    "Las diapositivas, y este experimento, tienen la tasa dentro de la velocidad (formulation=book); torch tiene v ← αv + g, "
    "θ ← θ − εv: igual mientras ε sea constante. El ruido se compara en (1 − α) v, que tiene la media del gradiente; v misma "
    "varía más.",
)
START = (10.0, 0.3)
SAMPLES = 4000


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
    paths = {name: _descend(condition, tolerance, *pair) for name, pair in _best(condition).items()}
    noise = [row for seed in range(seeds) for row in _noise(batches, alpha, steps, seed)]
    floors = torch.tensor([[_floor(seed, steps, schedule) for schedule in (False, True)] for seed in range(seeds)])
    rows = [{"what": f"steps, {name}", "value": len(path) - 1} for name, path in paths.items()]
    rows += [
        {"what": f"variance of {row['what']}, m = {row['m']}, seed {row['seed']}", "value": row["variance"]} for row in noise
    ]
    data = {"paths": paths, "noise": noise, "condition": condition, "alpha": alpha}
    return Findings(_checks(paths, noise, alpha, floors), rows, data)


def _best(kappa: float) -> dict[str, tuple[float, float]]:
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


def _noise(batches: list[int], alpha: float, steps: int, seed: int) -> list[dict[str, Any]]:
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


def _floor(seed: int, steps: int, schedule: bool) -> float:
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


def _checks(paths: dict[str, Any], noise: list[dict[str, Any]], alpha: float, floors: Tensor) -> list[Check]:
    ratio = (len(paths["momentum"]) - 1) / (len(paths["gd"]) - 1)
    sizes = sorted({row["m"] for row in noise})
    logs = [math.log(mean(noise, "variance", what="gradient", m=m)) for m in sizes]
    slope = (logs[-1] - logs[0]) / (math.log(sizes[-1]) - math.log(sizes[0]))
    share = sum(
        mean(noise, "variance", what="velocity", m=m) / mean(noise, "variance", what="gradient", m=m) for m in sizes
    ) / len(sizes)
    theory = (1 - alpha) / (1 + alpha)
    floor = float(floors[:, 1].mean() / floors[:, 0].mean())
    return [
        Check(Text("momentum's steps over gradient descent's", "pasos del momentum sobre los del descenso"), ratio, 0, 0.25),
        Check(
            Text("slope of the gradient's variance in m, log-log", "pendiente de la varianza del gradiente en m, log-log"),
            slope,
            -1.1,
            -0.9,
        ),
        Check(
            Text("variance of (1 − α) v over the gradient's", "varianza de (1 − α) v sobre la del gradiente"),
            share,
            0.75 * theory,
            1.25 * theory,
        ),
        Check(
            Text("distance left with ε_k over that with constant ε", "distancia restante con ε_k sobre la de ε constante"),
            floor,
            0,
            0.5,
        ),
    ]


def draw(findings: Findings, lang: str = "en") -> Slide:
    """Left: both paths over the contours. Right: variances by the minibatch's size."""
    say, data = words(lang), findings.data
    figure, (left, right) = slide(TITLE, lang, "ab", width_ratios=[1.3, 1])
    _canyon(left, data["condition"], lang)
    for (_, color, label), path in zip(_looks(lang), data["paths"].values(), strict=True):
        x, y = zip(*path, strict=True)
        left.plot(x, y, ".-", color=color, label=f"{label}: {len(path) - 1} {say('steps', 'pasos')}", linewidth=1.5)
    left.legend(loc="upper right")
    sizes = sorted({row["m"] for row in data["noise"]})
    names = {
        "gradient": say("minibatch gradient", "gradiente del minibatch"),
        "velocity": say(f"velocity (1 − α) v, α = {data['alpha']}", f"velocidad (1 − α) v, α = {data['alpha']}"),
    }
    for (what, label), color, marker in zip(names.items(), (BLUE, ORANGE), "os", strict=True):
        right.loglog(
            sizes, [mean(data["noise"], "variance", what=what, m=m) for m in sizes], marker + "-", color=color, label=label
        )
    first = mean(data["noise"], "variance", what="gradient", m=sizes[0])
    right.loglog(sizes, [2 * first * sizes[0] / m for m in sizes], ":", color="0.3", label="∝ 1/m")
    right.set_xlabel(say("examples in the minibatch, m", "ejemplos en el minibatch, m"))
    right.set_ylabel(say("variance of a component (squared loss units)", "varianza de un componente (unidades de pérdida²)"))
    right.legend()
    return figure


def _looks(lang: str) -> list[tuple[str, str, str]]:
    say = words(lang)
    return [
        ("gd", BLUE, say("gradient descent", "descenso por gradiente")),
        ("momentum", ORANGE, "momentum"),
    ]


def _canyon(axes: Any, condition: float, lang: str) -> None:
    say = words(lang)
    x, y = torch.meshgrid(torch.linspace(-4, 11, 120), torch.linspace(-1.6, 1.6, 120), indexing="xy")
    levels = [0.5 * level**2 for level in range(1, 20, 2)]
    axes.contour(x, y, (x**2 + condition * y**2) / 2, levels=levels, colors="0.75", linewidths=1)
    axes.plot(0, 0, "*", color=GREEN, markersize=14)
    axes.set_xlabel(say("θ₁ (curvature 1)", "θ₁ (curvatura 1)"))
    axes.set_ylabel(say(f"θ₂ (curvature {condition:g})", f"θ₂ (curvatura {condition:g})"))
    axes.grid(False)


def animate(findings: Findings, lang: str = "en") -> FuncAnimation:
    """Both paths, a step a frame, then three."""
    say, data = words(lang), findings.data
    figure, (axes,) = slide(TITLE, lang)
    _canyon(axes, data["condition"], lang)
    lines = [axes.plot([], [], ".-", color=color, label=label, linewidth=1.5)[0] for _, color, label in _looks(lang)]
    axes.legend(loc="upper right")
    count = axes.text(0.02, 0.04, "", transform=axes.transAxes)

    longest = min(max(len(path) for path in data["paths"].values()), 130)  # the rest cannot be seen at this scale

    def frame(step: int) -> list[Any]:
        for line, path in zip(lines, data["paths"].values(), strict=True):
            line.set_data(*zip(*path[: step + 1], strict=True))
        count.set_text(f"{say('step', 'paso')} {step}")
        return [*lines, count]

    return FuncAnimation(figure, frame, frames=[*range(40), *range(40, longest, 3), longest], interval=100)
