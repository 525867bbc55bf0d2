"""How much of the image a unit sees, by depth, stride and pooling: the formula against the gradient that reaches the input.

The band. The support of the gradient is the formula's field, exactly, at every depth: masks of positive numbers cannot
cancel, and a maximum passes its gradient to each pixel in turn, when that is the only light one.

Source: Goodfellow, Bengio and Courville, *Deep Learning*, 2016, figures 9.2 to 9.4; for the field that matters in
practice, Luo, Li, Urtasun and Zemel, "Understanding the Effective Receptive Field", NeurIPS 2016.
"""

from typing import Any

import torch
from matplotlib.patches import Rectangle
from torch import Tensor

from ajuste_fino.lecture.findings import Check, Findings, Limit, Text, words
from ajuste_fino.lecture.photo import photograph
from ajuste_fino.lecture.slide import MARKERS, Slide, picture, slide, whole
from ajuste_fino.report.plots import BLUE, COLORS, GREEN, ORANGE
from ajuste_fino.scratch import nn

TITLE = Text(
    "Units of deeper layers see more of the image: strides and pooling multiply the growth of the receptive field",
    "Las neuronas de capas más profundas ven más de la imagen: stride y pooling multiplican el crecimiento del campo receptivo",
)
FORMULAS = (r"r_n=r_{n-1}+(k_n-1)\prod_{m<n}s_m",)
LIMITS = {"kernel": Limit(2, 9), "depth": Limit(1, 5)}
USES = ("scratch.nn.Conv2d", "scratch.nn.MaxPool2d")
MARGIN = 8  # px
STACKS = {  # (kernel, stride) of each layer, repeated; 0 stands for the masks' side, a negative kernel pools
    "conv": [(0, 1)],
    "stride": [(0, 2)],
    "pooling": [(0, 1), (-2, 2)],
}


def measure(*, kernel: int, depth: int, seed: int) -> Findings:
    """The side of the field after each layer, by the formula and measured.

    Args:
        kernel: side of the masks, px.
        depth: convolutions in a stack.
        seed: of the masks.
    """
    rows: list[dict[str, Any]] = []
    for name, pattern in STACKS.items():
        layers = [(k or kernel, s) for k, s in pattern * depth]
        for n in range(1, len(layers) + 1):
            torch.manual_seed(seed)
            support = _support(layers[:n])
            rows.append({"stack": name, "layer": n, "formula": _formula(layers[:n]), "measured": _side(support)})
    wrong = sum(row["formula"] != row["measured"] for row in rows)
    what = Text(
        f"layers of {len(rows)} where formula and measured field differ",
        f"capas, de {len(rows)}, donde fórmula y campo medido difieren",
    )
    growth = Text("strides: last field over that without", "con stride: último campo sobre el de sin stride")
    pooled = Text("pooling: last field over that without", "con pooling: último campo sobre el de sin pooling")
    last = {name: max(row["measured"] for row in rows if row["stack"] == name) for name in STACKS}
    checks = [
        Check(what, wrong, 0, 0, identity=True),
        Check(growth, last["stride"] / last["conv"], 2),
        Check(pooled, last["pooling"] / last["conv"], 2),
    ]
    effective = _effective(kernel, depth, seed)
    return Findings(checks, rows, {"kernel": kernel, "effective": effective})


def _formula(layers: list[tuple[int, int]]) -> int:
    """Σ (k − 1) Π of the strides before, plus 1."""
    field, jump = 1, 1
    for kernel, stride in layers:
        field, jump = field + (abs(kernel) - 1) * jump, jump * stride
    return field


def _net(layers: list[tuple[int, int]], positive: bool = True) -> torch.nn.Sequential:
    net = torch.nn.Sequential()
    for kernel, stride in layers:
        if kernel < 0:
            net.append(nn.MaxPool2d(-kernel, stride))
            continue
        conv = nn.Conv2d(1, 1, kernel, stride, bias=False)
        if positive:
            torch.nn.init.uniform_(conv.weight, 0.5, 1.5)
        net.append(conv)
    return net


def _support(layers: list[tuple[int, int]]) -> Tensor:
    """(side, side) bool: for which pixels the gradient of the first unit is not 0, the pixel being the only light one.

    A maximum passes its gradient to the pixel that is light, wherever it is. The image is larger than the formula's field,
    so that a larger one would show.
    """
    side = _formula(layers) + MARGIN
    net, support = _net(layers), []
    for pixels in torch.arange(side**2).split(512):
        x = torch.zeros(len(pixels), side**2).scatter_(1, pixels[:, None], 1.0).requires_grad_()
        net(x.unflatten(1, (1, side, side)))[:, :, 0, 0].sum().backward()
        gradient = torch.as_tensor(x.grad)
        support.append(gradient.gather(1, pixels[:, None])[:, 0] != 0)
    return torch.cat(support).reshape(side, side)


def _side(support: Tensor) -> int:
    """The side of the square that the support fills; 0 where it has a hole or is none."""
    rows, columns = support.any(1).sum(), support.any(0).sum()
    return int(rows) if rows == columns and bool(support[:rows, :columns].all()) else 0


def _effective(kernel: int, depth: int, seed: int) -> Tensor:
    """Mean |gradient| over random masks, as a share of its largest: the middle counts most."""
    torch.manual_seed(seed)
    layers = [(kernel, 1)] * depth
    side = _formula(layers)
    total = torch.zeros(side, side)
    for _ in range(100):
        x = torch.zeros(1, 1, side, side, requires_grad=True)
        _net(layers, positive=False)(x).sum().backward()
        total += torch.as_tensor(x.grad)[0, 0].abs()
    return total / total.max()


def draw(findings: Findings, lang: str = "en") -> Slide:
    """The sides by layer; the fields over a photograph; how the gradient is spread within one."""
    say = words(lang)
    names = {
        "conv": say("convolution, stride 1", "convolución, stride 1"),
        "stride": say("convolution, stride 2", "convolución, stride 2"),
        "pooling": say("convolution and 2×2 pooling", "convolución y pooling 2×2"),
    }
    figure, (curve, photo, heat) = slide(TITLE, lang, "abc", width_ratios=[1.2, 1.2, 0.9])
    for (name, label), color, marker in zip(names.items(), (BLUE, ORANGE, GREEN), MARKERS, strict=False):
        layers = findings.column("layer", stack=name)
        curve.plot(layers, findings.column("formula", stack=name), "-", color=color, label=label)
        curve.plot(layers, findings.column("measured", stack=name), marker, color=color)
    curve.set_yscale("log", base=2)
    curve.set_xlabel(say("layer", "capa"))
    curve.set_ylabel(say("side of the field (px): formula —, measured •", "lado del campo (px): fórmula —, medido •"))
    curve.legend(loc="upper left", fontsize=11)
    whole(curve)
    _over_photo(photo, findings, lang)
    picture(
        heat,
        findings.data["effective"],
        say(
            "gradient inside the last field\n(random masks, stride 1)",
            "gradiente en el último campo\n(máscaras al azar, stride 1)",
        ),
        cmap="viridis",
    )
    return figure


def _over_photo(axes: Any, findings: Findings, lang: str) -> None:
    """The measured fields with stride 2 around one pixel, layer by layer."""
    say, side = words(lang), 64
    picture(
        axes,
        photograph(side).permute(1, 2, 0),
        say("fields with stride 2, around one pixel", "campos con stride 2, alrededor de un píxel"),
    )
    fields = findings.column("measured", stack="stride")
    for n, (field, color) in enumerate(zip(fields, COLORS[1:], strict=False), start=1):
        corner = (side - field) / 2 - 0.5
        label = say(f"layer {n}: {field} px", f"capa {n}: {field} px")
        axes.add_patch(Rectangle((corner, corner), field, field, fill=False, edgecolor=color, linewidth=3.5, label=label))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=2)
