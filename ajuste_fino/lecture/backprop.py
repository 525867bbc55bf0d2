"""The lecture's equations, unit by unit and by matrices, beside autograd; then the same equations train a real head.

The band. In float64 one rounding is 1.1·10⁻¹⁶ and the drawn networks do some hundred sums: 10⁻¹² of the largest gradient
leaves a wide margin, and a wrong index or factor is orders beyond it. The head is trained in float32: its accuracy may
differ by one image in a hundred.

Source: Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 6.5; Bishop, *Pattern Recognition and Machine
Learning*, 2006, section 5.3.
"""

from itertools import pairwise
from typing import Any

import torch
from matplotlib.animation import FuncAnimation
from torch import Tensor

from ajuste_fino.head import Head, HeadShape, probabilities
from ajuste_fino.lecture.findings import Check, Findings, Table
from ajuste_fino.lecture.frozen import Features, embedded
from ajuste_fino.lecture.settings import Limit
from ajuste_fino.lecture.slide import Slide, slide
from ajuste_fino.lecture.text import Texts
from ajuste_fino.lecture.training import agreement
from ajuste_fino.report.plots import BLUE, GREEN, ORANGE
from ajuste_fino.scratch.backprop import (
    SIGMOID,
    TANH,
    Layer,
    Trace,
    backward,
    backward_units,
    forward,
    forward_units,
    squared_error,
)
from ajuste_fino.scratch.engine import Backpropagation
from ajuste_fino.scratch.functional import cross_entropy
from ajuste_fino.scratch.optim import Adam

FORMULAS = (
    r"\frac{\partial L}{\partial w_{ij}}=\delta_j z_i",
    r"\delta_o=f'_o(a_o)\,\frac{\partial L}{\partial z_o}",
    r"\delta_j=f'_j(a_j)\sum_k w_{jk}\,\delta_k",
    r"\delta_n=f'(a_n)\odot W_{n+1}^{T}\,\delta_{n+1}",
    r"\frac{\partial L}{\partial W_{n+1}}=\delta_{n+1}\,z_n^{T}",
)
LIMITS = {"sizes": Limit(1, 50, shortest=2)}
USES = ("scratch.backprop", "scratch.engine.Backpropagation", "scratch.optim.Adam", "features.CachedFeatures")


def measure(*, sizes: list[int], networks: int, hidden: int, epochs: int) -> Findings:
    """Both forms beside autograd on drawn networks; a head trained by the equations beside one trained by autograd.

    Args:
        sizes: units of each layer, the inputs first.
        networks: how many are drawn.
        hidden: hidden units of the head.
        epochs: of the head's training, all images at each step.
    """
    rows = Table()
    shown: dict[str, Any] = {}
    for seed in range(networks):
        layers, x, target = _random_network(sizes, seed)
        errors, trace = _gradient_errors(layers, x, target)
        rows += [{"network": seed + 1, "form": form, "difference": error} for form, error in errors.items()]
        shown = shown or {"layers": layers, "trace": trace}
    data = embedded()
    trained = {name: _train_head(data, hidden, epochs, engine) for name, engine in _engines().items()}
    ours, autograd = (score for _, score in trained.values())
    checks = [
        *(Check(form, max(rows.column("difference", form=form)), 0, 1e-12, identity=True) for form in ("units", "matrices")),
        Check("accuracy", ours, 0.95, 1),
        Check("distance", abs(ours - autograd), 0, 0.01),
    ]
    return Findings(checks, rows, {**shown, "curves": {name: curve for name, (curve, _) in trained.items()}})


def _random_network(sizes: list[int], seed: int) -> tuple[list[Layer], Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    pairs = list(pairwise(sizes))
    layers = [Layer(normal(o, i), normal(o), TANH) for i, o in pairs]
    layers[-1].activation = SIGMOID
    return layers, normal(sizes[0], 1), normal(sizes[-1], 1)


def _gradient_errors(layers: list[Layer], x: Tensor, target: Tensor) -> tuple[dict[str, float], Trace]:
    """How far either form is from autograd, relative to the largest gradient; the trace of the first."""
    units = forward_units(layers, x[:, 0].tolist())
    _, slope = squared_error(units.z[-1][:, None], target)
    by_units = backward_units(layers, units, slope[:, 0].tolist())
    matrices = forward(layers, x)
    by_matrices = backward(layers, matrices, squared_error(matrices.z[-1], target)[1])
    truth = _autograd(layers, x, target)
    largest = max(float(g.abs().max()) for g in truth)
    errors = {}
    for form, gradients in (("units", by_units), ("matrices", by_matrices)):
        mine = [tensor for gradient in gradients for tensor in gradient]
        errors[form] = max(float((a - b).abs().max()) for a, b in zip(mine, truth, strict=True)) / largest
    return errors, units


def _autograd(layers: list[Layer], x: Tensor, target: Tensor) -> list[Tensor]:
    parameters = [tensor.requires_grad_() for layer in layers for tensor in (layer.weight, layer.bias)]
    z = x
    for layer, f in zip(layers, [torch.tanh] * (len(layers) - 1) + [torch.sigmoid], strict=True):
        z = f(layer.weight @ z + layer.bias[:, None])
    gradients = list(torch.autograd.grad((z - target).square().sum() / 2, parameters))
    for parameter in parameters:
        parameter.requires_grad_(False)
    return gradients


def _engines() -> dict[str, Any]:
    return {"equations": Backpropagation(), "autograd": lambda layers, x, y: cross_entropy(layers(x), y)}


def _train_head(data: Features, hidden: int, epochs: int, engine: Any) -> tuple[list[float], float]:
    """Training loss of every step, and the test accuracy at the end."""
    torch.manual_seed(0)
    head = Head(HeadShape(data.num_features, 10, 0.2, hidden, 0.5, "scratch"))
    head.standardise.set(data.train.x.mean(0), data.train.x.std(0))
    optimizer, curve = Adam(head.parameters(), lr=1e-3), []
    x = head.standardise(data.train.x)
    for _ in range(epochs):
        head.train()
        optimizer.zero_grad()
        loss = engine(head.layers, x, data.train.y)
        loss.backward()
        optimizer.step()
        curve.append(loss.item())
    return curve, agreement(probabilities(head, [data.test.x]).argmax(1), data.test.y)


def draw(findings: Findings, texts: Texts) -> Slide:
    """Left: the drawn network with z forwards and δ backwards. Right: the two heads' losses."""
    figure, (left, right) = slide(findings, texts, "ab", width_ratios=[1.35, 1])
    _draw_network(left, findings.data["layers"], findings.data["trace"])
    left.set_title(texts("network"))
    for name, style, color, width in (("equations", "-", BLUE, 4), ("autograd", "--", ORANGE, 2)):
        losses = findings.data["curves"][name]
        right.plot(range(1, len(losses) + 1), losses, style, color=color, label=texts(name), linewidth=width)
    right.set_yscale("log")
    right.set_xlabel(texts("step"))
    right.set_ylabel(texts("loss"))
    right.legend()
    return figure


def _draw_network(axes: Any, layers: list[Layer], trace: Trace, forwards: int = 99, backwards: int = 99) -> None:
    """Units, weights (green: positive), z of the first `forwards` layers and δ of the last `backwards`."""
    places = [[(n, (len(z) - 1) / 2 - j) for j in range(len(z))] for n, z in enumerate(trace.z)]
    for n, layer in enumerate(layers):
        for j, (x1, y1) in enumerate(places[n + 1]):
            for i, (x0, y0) in enumerate(places[n]):
                weight = float(layer.weight[j, i])
                color = GREEN if weight > 0 else "0.55"
                axes.plot([x0, x1], [y0, y1], color=color, linewidth=0.4 + 1.6 * abs(weight), zorder=1)
    for n, z in enumerate(trace.z):
        for j, (x, y) in enumerate(places[n]):
            axes.scatter(x, y, s=2600, color="white", edgecolor="black", zorder=2)
            if n <= forwards:
                _write(axes, x, y, 8, f"{float(z[j]):+.2f}", BLUE)
            if n > max(0, len(layers) - backwards):
                _write(axes, x, y, -8, f"{float(trace.delta[n - 1][j]):+.3f}", ORANGE)
    axes.set_axis_off()
    axes.margins(0.12)


def _write(axes: Any, x: float, y: float, above: float, number: str, color: str) -> None:
    """A number inside a unit, so many points above its centre."""
    axes.annotate(number, (x, y), (0, above), textcoords="offset points", color=color, ha="center", va="center", fontsize=11)


def animate(findings: Findings, texts: Texts) -> FuncAnimation:
    """The slides' order: z layer by layer to the output, then δ layer by layer back."""
    layers, trace = findings.data["layers"], findings.data["trace"]
    figure, (axes,) = slide(findings, texts)
    depth = len(layers)

    def frame(step: int) -> list[Any]:
        axes.clear()
        _draw_network(axes, layers, trace, min(step, depth), step - depth)
        back = 2 * depth - step + 1
        axes.set_title(texts("forwards", layer=step) if step <= depth else texts("backwards", layer=back))
        return []

    return FuncAnimation(figure, frame, frames=2 * depth + 1, interval=1200)
