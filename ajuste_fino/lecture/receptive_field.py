"""How much of the image a unit sees, by depth, stride and pooling: the formula against the gradient that reaches the input.

The band. The support of the gradient is the formula's field, exactly, at every depth: masks of positive numbers cannot
cancel, and a maximum passes its gradient to each pixel in turn, when that is the only light one.

Source: Goodfellow, Bengio and Courville, *Deep Learning*, 2016, figures 9.2 to 9.4; for the field that matters in
practice, Luo, Li, Urtasun and Zemel, "Understanding the Effective Receptive Field", NeurIPS 2016.
"""

import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor

from ajuste_fino.lecture.findings import Check, Findings, Table
from ajuste_fino.lecture.photo import photograph
from ajuste_fino.lecture.settings import Limit
from ajuste_fino.lecture.slide import MARKERS, Slide, integer_ticks, show_image, slide
from ajuste_fino.lecture.text import Texts
from ajuste_fino.report.plots import BLUE, COLORS, GREEN, ORANGE
from ajuste_fino.scratch import nn

FORMULAS = (r"r_n=r_{n-1}+(k_n-1)\prod_{m<n}s_m",)
LIMITS = {"kernel": Limit(2, 9), "depth": Limit(1, 5)}
USES = ("scratch.nn.Conv2d", "scratch.nn.MaxPool2d")
MARGIN = 8  # px
STACKS = {  # (kernel, stride) of each layer, repeated; 0 stands for the setting `kernel`, a negative kernel pools
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
    rows = Table()
    for name, pattern in STACKS.items():
        layers = [(k or kernel, s) for k, s in pattern * depth]
        for n in range(1, len(layers) + 1):
            torch.manual_seed(seed)
            support = _support(layers[:n])
            rows.append({"stack": name, "layer": n, "formula": _formula(layers[:n]), "measured": _side(support)})
    wrong = sum(row["formula"] != row["measured"] for row in rows)
    last = {name: max(rows.column("measured", stack=name)) for name in STACKS}
    checks = [
        Check("differ", wrong, 0, 0, identity=True, values={"layers": len(rows)}),
        Check("stride_grows", last["stride"] / last["conv"], 2),
        Check("pooling_grows", last["pooling"] / last["conv"], 2),
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
    """The side of the square that the support fills; 0 where it fills none."""
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


def draw(findings: Findings, texts: Texts) -> Slide:
    """The sides by layer; the fields over a photograph; how the gradient is spread within one."""
    rows = findings.rows
    figure, (fields, photo, heat) = slide(findings, texts, "abc", width_ratios=[1.2, 1.2, 0.9])
    for stack, color, marker in zip(STACKS, (BLUE, ORANGE, GREEN), MARKERS, strict=False):
        layers = rows.column("layer", stack=stack)
        fields.plot(layers, rows.column("formula", stack=stack), "-", color=color, label=texts(stack))
        fields.plot(layers, rows.column("measured", stack=stack), marker, color=color)
    fields.set_yscale("log", base=2)
    fields.set_xlabel(texts("layer"))
    fields.set_ylabel(texts("field"))
    fields.legend(loc="upper left", fontsize=11)
    integer_ticks(fields)
    _draw_on_photograph(photo, rows.column("measured", stack="stride"), texts)
    show_image(heat, findings.data["effective"], texts("effective"), cmap="viridis")
    return figure


def _draw_on_photograph(axes: Axes, fields: list[int], texts: Texts) -> None:
    """The sides of the fields as squares around one pixel, layer by layer."""
    side = 64
    show_image(axes, photograph(side), texts("on_photograph"))
    for n, (field, color) in enumerate(zip(fields, COLORS[1:], strict=False), start=1):
        corner = (side - field) / 2 - 0.5
        label = texts("field_of_layer", layer=n, field=field)
        axes.add_patch(Rectangle((corner, corner), field, field, fill=False, edgecolor=color, linewidth=3.5, label=label))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=2)
