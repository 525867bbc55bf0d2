"""What a convolution saves over a dense layer, counted on its own matrix; and its equivariance to shifts.

The bands. All three are identities: the matrix of the layer has k² C_in nonzero entries in each row away from the border
and k² C_in C_out different values, as the formulas say, exactly; a shifted input gives the shifted output to float32's
rounding, 10⁻⁶ of values around 1; the printed formula differs from every library's by a flip of the mask.

Source: Goodfellow, Bengio and Courville, *Deep Learning*, 2016, sections 9.1 and 9.2.
"""

from typing import Any

import torch
from matplotlib.axes import Axes
from torch import Tensor

from ajuste_fino.lecture.findings import Check, Findings, Table
from ajuste_fino.lecture.photo import grey
from ajuste_fino.lecture.settings import Limit
from ajuste_fino.lecture.slide import Slide, show_image, slide
from ajuste_fino.lecture.text import Texts
from ajuste_fino.report.plots import BLUE, ORANGE
from ajuste_fino.scratch import nn
from ajuste_fino.scratch.functional import conv2d

FORMULAS = (
    r"y[n_1,n_2]=\sum_{k_1}\sum_{k_2}I[n_1+k_1,n_2+k_2]\,K[k_1,k_2]",
    r"\tilde{y}[n_1,n_2]=\sum_{k_1}\sum_{k_2}I[k_1,k_2]\,K[n_1+k_1,n_2+k_2]=y[-n_1,-n_2]",
)
LIMITS = {"sides": Limit(4, 48), "kernel": Limit(1, 15, odd=True), "shift": Limit(-30, 30, shortest=2)}
USES = ("scratch.nn.Conv2d", "scratch.nn.Linear", "scratch.functional.conv2d")
EDGES = [[1.0, 0, -1], [2, 0, -2], [1, 0, -1]]  # Sobel's mask


def measure(*, sides: list[int], kernel: int, channels: int, shift: list[int], seed: int) -> Findings:
    """Count parameters and connections for each side of the image; measure the shift's error; compare the two formulas.

    Args:
        sides: of the square, grey input, px.
        kernel: side of the mask, px, odd.
        channels: maps of the output.
        shift: rows and columns, px, at most a few.
        seed: of the masks.
    """
    torch.manual_seed(seed)
    rows = Table(_count(side, kernel, channels) for side in sides)
    last = rows[-1]
    image = grey(160)
    of_shifted, shifted = _shift_input_and_output(image, kernel, channels, shift)
    gap = float((of_shifted - shifted).abs().max())
    checks = [
        Check("parameters_counted", last["conv parameters"] - kernel**2 * channels, 0, 0, identity=True),
        Check("connections_counted", last["conv connections"] - _formula(sides[-1], kernel, channels), 0, 0, identity=True),
        Check("saving", last["dense parameters"] / last["conv parameters"], 1000),
        Check("shift", gap, 0, 1e-6, identity=True),
        Check("flip", _flip_error(kernel), 0, 1e-6, identity=True),
    ]
    return Findings(checks, rows, {"image": image, "map of shifted": of_shifted, "shifted map": shifted, "shift": shift})


def _count(side: int, kernel: int, channels: int) -> dict[str, Any]:
    """Nonzero entries and different values of the layer's matrix, which its Jacobian is."""
    conv = nn.Conv2d(1, channels, kernel, padding=kernel // 2, bias=False)
    units, pixels = channels * side**2, side**2
    matrix = torch.func.vmap(conv, in_dims=0)(torch.eye(pixels).reshape(pixels, 1, side, side)).reshape(pixels, units)
    present = matrix != 0
    return {
        "side": side,
        "conv parameters": int(matrix[present].unique().numel()),
        "conv connections": int(present.sum()),
        "dense parameters": nn.Linear(pixels, units, bias=False, device="meta").weight.numel(),
        "dense connections": pixels * units,
    }


def _formula(side: int, kernel: int, channels: int) -> int:
    """C (Σ over outputs of the mask's taps inside the image) = C (k s − 2 Σ_{i ≤ k/2} i)²."""
    half = kernel // 2
    return channels * (kernel * side - half * (half + 1)) ** 2


def _shift_input_and_output(image: Tensor, kernel: int, channels: int, shift: list[int]) -> tuple[Tensor, Tensor]:
    """The map of a shifted image and the shifted map of the image, without the border that pixels from outside reach."""
    mask = torch.cat([torch.tensor(EDGES)[None, None], torch.randn(channels - 1, 1, 3, 3) / 3]) if kernel == 3 else None
    mask = torch.randn(channels, 1, kernel, kernel) / kernel if mask is None else mask
    border = kernel + max(abs(s) for s in shift)
    inside = (..., slice(border, -border), slice(border, -border))
    moved = conv2d(image.roll(shift, (2, 3)), mask, padding=kernel // 2)
    return moved[inside], conv2d(image, mask, padding=kernel // 2).roll(shift, (2, 3))[inside]


def _flip_error(kernel: int) -> float:
    """The largest difference of Σ I[k] K[n + k], by loops over all n where both overlap, from the libraries' map reversed."""
    image, mask = torch.randn(8, 8), torch.randn(kernel, kernel)
    library = conv2d(image[None, None], mask[None, None], padding=kernel - 1)[0, 0]
    printed = torch.zeros_like(library)
    for n1 in range(1 - 8, kernel):
        for n2 in range(1 - 8, kernel):
            for k1 in range(max(0, -n1), min(8, kernel - n1)):
                for k2 in range(max(0, -n2), min(8, kernel - n2)):
                    printed[n1 + 7, n2 + 7] += image[k1, k2] * mask[n1 + k1, n2 + k2]
    return float((printed.flip(0, 1) - library).abs().max())


def draw(findings: Findings, texts: Texts) -> Slide:
    """Left: parameters and connections by the side. Right: image, map, and what shifting changes."""
    data = findings.data
    figure, axes = slide(findings, texts, "abc;def", width_ratios=[1.25, 1, 1])
    for ax, quantity in ((axes[0], "parameters"), (axes[3], "connections")):
        _draw_counts(ax, findings.rows, quantity, texts)
        ax.set_ylabel(texts(quantity))
    axes[3].set_xlabel(texts("side"))
    image, shift = data["image"][0, 0], data["shift"]
    show_image(axes[1], image, texts("image"), cmap="gray")
    show_image(axes[2], image.roll(shift, (0, 1)), texts("shifted", rows=shift[0], columns=shift[1]), cmap="gray")
    of_shifted, shifted = data["map of shifted"], data["shifted map"]
    limit = float(of_shifted[0, 0].abs().quantile(0.99))
    colors = {"cmap": "RdBu", "vmin": -limit, "vmax": limit}
    show_image(axes[4], shifted[0, 0], texts("shifted_map"), **colors)
    difference = float((of_shifted - shifted).abs().max())
    show_image(axes[5], of_shifted[0, 0], texts("map_of_shifted", difference=difference), **colors)
    return figure


def _draw_counts(axes: Axes, rows: Table, quantity: str, texts: Texts) -> None:
    """Parameters or connections of both layers, by the side of the image."""
    sides = rows.column("side")
    for layer, color, marker in (("dense", ORANGE, "s"), ("conv", BLUE, "o")):
        axes.loglog(sides, rows.column(f"{layer} {quantity}"), marker + "-", color=color, label=texts(layer))
    axes.set_xticks(sides, [str(side) for side in sides])
    axes.minorticks_off()
    axes.legend(loc="upper left")
