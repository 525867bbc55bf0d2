"""What pooling does: small shifts matter less, over rotated filters it forgets the rotation, and any input size will do.

The bands. Maximum, means and norm over a window change less under a shift of one pixel than the map itself does, relative
to their size: below 1 for each. (A mean weighted towards the middle has the smaller window in effect, so it is between the
equal mean and no pooling; the figure shows it.) The norm (p = 2) lies between mean and maximum in every window (power
means: mean ≤ root mean square ≤ max), exactly. A bank of one mask turned by quarter turns, then the maximum over the bank
and over the map, does not see a quarter turn of the image: up to float32's rounding, 10⁻⁵. The slide's example, and halved
sides, are exact.

Source: Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 9.3 and figures 9.8 to 9.10.
"""

from typing import Any

import torch
from torch import Tensor

from ajuste_fino.lecture.findings import Check, Findings, Limit, Text, mean, words
from ajuste_fino.lecture.photo import photograph
from ajuste_fino.lecture.slide import Slide, picture, slide, whole
from ajuste_fino.report.plots import COLORS
from ajuste_fino.scratch import nn
from ajuste_fino.scratch.functional import conv2d

TITLE = Text(
    "Pooled features change less when the image shifts, and a maximum over rotated filters forgets the rotation",
    "Con pooling las características cambian menos al desplazar la imagen; el máximo sobre filtros rotados olvida la rotación",
)
FORMULAS = (
    r"\max_{i\in w}z_i",
    r"\sum_{i\in w}a_i z_i,\;\sum_i a_i=1",
    r"\|z_w\|_2=(\sum_{i\in w}z_i^2)^{1/2}",
)
LIMITS = {"window": Limit(2, 16), "shifts": Limit(1, 16), "sizes": Limit(8, 1024, shortest=2)}
USES = ("scratch.nn.MaxPool2d", "AvgPool2d", "LPPool2d", "WeightedAvgPool2d", "ChannelMaxPool", "AdaptiveAvgPool2d", "Conv2d")
SAID = {
    "example": Text("the slide's example: largest error", "el ejemplo de la diapositiva: mayor error"),
    "means": Text(
        "mean ≤ root mean square ≤ max: largest breach", "media ≤ raíz cuadrática media ≤ máximo: mayor incumplimiento"
    ),
    "turns": Text(
        "max over turned filters: change when the image turns", "máximo sobre filtros girados: cambio al girar la imagen"
    ),
    "sides": Text("sides that stride 2 does not halve", "lados que stride 2 no divide entre dos"),
    "control": Text(
        "without pooling to a grid: other sizes it does take", "sin pooling a una cuadrícula: otros tamaños que acepta"
    ),
    "sizes": Text("input sizes that one network does not take", "tamaños de entrada que una misma red no acepta"),
}
EXAMPLE = [[1.0, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]]
POOLED = [[6.0, 8], [3, 4]]


def measure(*, window: int, filters: int, shifts: list[int], sizes: list[int], seeds: int) -> Findings:
    """Change under shifts, by pooling; the rotated bank; power means; sides and sizes; the slide's example.

    Args:
        window: side of the pooling windows, px.
        filters: random 5 × 5 masks that give the maps.
        shifts: px along a row.
        sizes: of the images that one network takes.
        seeds: draws of the masks.
    """
    rows, exact = [], {"means": 0.0, "turns": 0.0, "sides": 0, "sizes": 0}
    for seed in range(seeds):
        torch.manual_seed(seed)
        masks = torch.randn(filters, 1, 5, 5) / 5
        rows += [{"seed": seed, **row} for row in _shifted(masks, window, shifts)]
        exact["turns"] = max(exact["turns"], _turns(masks))
        exact["means"] = max(exact["means"], _power_means(masks, window))
    exact["sides"] = sum(nn.MaxPool2d(2, 2)(torch.rand(1, 1, s, s)).shape[-1] != s // 2 for s in sizes)
    exact["sizes"] = _refused(sizes, grid=True)
    exact["control"] = _refused(sizes, grid=False) - (len(set(sizes)) - 1)
    table = nn.MaxPool2d(2, 2)(torch.tensor(EXAMPLE)[None, None])[0, 0]
    checks = _checks(rows, exact, float((table - torch.tensor(POOLED)).abs().max()), min(shifts))
    return Findings(checks, rows, {"table": table, "bank": _bank(torch.tensor(EDGE)[None, None]), "shifts": shifts})


EDGE = [[0.0, 0, 1, 0, 0], [0, 0, 1, 0, 0], [0, 0, 1, 0, 0], [-1, -1, -1, -1, -1], [0, 0, 0, 0, 0]]


def _poolings(window: int, filters: int) -> dict[str, Any]:
    ramp = torch.minimum(torch.arange(1, window + 1), torch.arange(window, 0, -1)).float()
    smooth = nn.WeightedAvgPool2d(window, stride=1, weight=ramp[:, None] * ramp)
    return {
        "none": torch.nn.Identity(),
        "max": nn.MaxPool2d(window, 1),
        "average": nn.AvgPool2d(window, 1),
        "weighted": smooth,
        "norm": nn.LPPool2d(2, window, 1),
    }


@torch.no_grad()
def _shifted(masks: Tensor, window: int, shifts: list[int]) -> list[dict[str, Any]]:
    """‖P(shifted) − P‖ / ‖P‖ for the maps of a photograph, away from its border; stride 1, so that only P differs."""
    image = photograph(128).mean(0)[None, None]
    margin = max(shifts) + 4
    rows = []
    for name, pool in _poolings(window, len(masks)).items():
        still = _maps(image, masks, pool)[..., margin:-margin, margin:-margin]
        for shift in shifts:
            moved = _maps(image.roll(shift, 3), masks, pool)[..., margin:-margin, margin:-margin]
            rows.append({"pooling": name, "shift": shift, "change": float((moved - still).norm() / still.norm())})
    return rows


def _maps(image: Tensor, masks: Tensor, pool: Any) -> Tensor:
    return pool(nn.ReLU()(conv2d(image, masks)))


def _bank(mask: Tensor) -> Tensor:
    """A mask (1, 1, k, k) in its four quarter turns, (4, 1, k, k)."""
    return torch.cat([torch.rot90(mask, turn, (2, 3)) for turn in range(4)])


@torch.no_grad()
def _turns(masks: Tensor) -> float:
    """How far turning the image changes the maximum over bank and map, relative to it."""
    image, gap = photograph(64).mean(0)[None, None], 0.0
    across = nn.ChannelMaxPool(4)
    for mask in masks[:, None]:
        answers = [across(conv2d(torch.rot90(image, turn, (2, 3)), _bank(mask))).amax() for turn in range(4)]
        gap = max(gap, float((max(answers) - min(answers)) / max(answers).abs()))
    return gap


@torch.no_grad()
def _power_means(masks: Tensor, window: int) -> float:
    """How far any window breaks mean ≤ root mean square ≤ max, relative to the largest value."""
    maps = nn.ReLU()(conv2d(photograph(64).mean(0)[None, None], masks))
    mean, root, largest = nn.AvgPool2d(window)(maps), nn.LPPool2d(2, window)(maps) / window, nn.MaxPool2d(window)(maps)
    return float(torch.maximum(mean - root, root - largest).amax().clamp(min=0) / maps.amax())


@torch.no_grad()
def _refused(sizes: list[int], grid: bool) -> int:
    """How many sizes a network that ends in a fully connected layer cannot take, with a grid of pooled cells or without."""
    side = 4 if grid else sizes[0] - 2
    middle = nn.AdaptiveAvgPool2d(side) if grid else torch.nn.Identity()
    net = torch.nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), middle, nn.Flatten(), nn.Linear(8 * side**2, 10))
    return sum(not _takes(net, photograph(size)[None]) for size in sizes)


def _takes(net: torch.nn.Module, image: Tensor) -> bool:
    try:
        net(image)
    except RuntimeError:  # the shapes do not go together, which is what is asked
        return False
    return True


def _checks(rows: list[dict[str, Any]], exact: dict[str, Any], example: float, shift: int) -> list[Check]:
    change = {name: mean(rows, "change", pooling=name, shift=shift) for name in ("none", "max", "average", "weighted", "norm")}

    def over(name: str, base: str, en: str, es: str) -> Check:
        return Check(
            Text(f"change under a shift of {shift} px: {en}", f"cambio al desplazar {shift} px: {es}"),
            change[name] / change[base],
            0,
            1,
        )

    identities = {"example": (example, 0), "means": (exact["means"], 1e-6), "turns": (exact["turns"], 1e-5)}
    identities |= {"sides": (exact["sides"], 0), "sizes": (exact["sizes"], 0)}
    return [
        over("max", "none", "max over no pooling", "máximo sobre sin pooling"),
        over("average", "none", "average over no pooling", "promedio sobre sin pooling"),
        over("norm", "none", "norm over no pooling", "norma sobre sin pooling"),
        over("weighted", "none", "weighted average over no pooling", "promedio pesado sobre sin pooling"),
        over("average", "weighted", "equal average over weighted", "promedio uniforme sobre pesado"),
        Check(SAID["control"], exact["control"], 0, 0),
        *(Check(SAID[name], value, 0, most, identity=True) for name, (value, most) in identities.items()),
    ]


def draw(findings: Findings, lang: str = "en") -> Slide:
    """Left: the change by shift. Right: the slide's example and the bank of filters."""
    say, shifts = words(lang), findings.data["shifts"]
    figure, (curve, example, answer, filters, photo) = slide(TITLE, lang, "abc;ade", width_ratios=[2.2, 1, 1])
    names = {
        "none": say("no pooling", "sin pooling"),
        "max": say("max", "máximo"),
        "average": say("average", "promedio"),
        "weighted": say("weighted average", "promedio pesado"),
        "norm": say("norm", "norma"),
    }
    for (name, label), color, marker in zip(names.items(), COLORS, "os^Dv", strict=False):
        curve.plot(
            shifts,
            [mean(findings.rows, "change", pooling=name, shift=s) for s in shifts],
            marker + "-",
            color=color,
            label=label,
        )
    curve.set_xlabel(say("shift of the image (px)", "desplazamiento de la imagen (px)"))
    curve.set_ylabel(
        say("change of the features (share of their norm)", "cambio de las características (fracción de su norma)")
    )
    curve.legend()
    whole(curve)
    _numbers(example, torch.tensor(EXAMPLE), say("one map", "un mapa"))
    _numbers(answer, findings.data["table"], say("max, 2×2, stride 2", "máximo, 2×2, stride 2"))
    first, second, third, fourth = findings.data["bank"][:, 0]
    bank = torch.cat([torch.cat([first, second], 1), torch.cat([fourth, third], 1)])
    picture(filters, bank, say("one filter, four turns", "un filtro, cuatro giros"), cmap="RdBu", vmin=-1, vmax=1)
    turned = torch.rot90(photograph(96), 1, (1, 2)).permute(1, 2, 0)
    picture(photo, turned, say("turned image: same maximum", "imagen girada: igual máximo"))
    return figure


def _numbers(axes: Any, table: Tensor, title: str) -> None:
    shades = table / 8
    picture(axes, shades, title, cmap="Blues", vmin=0, vmax=1.6)
    for r, row in enumerate(table.tolist()):
        for c, value in enumerate(row):
            axes.text(c, r, f"{value:g}", ha="center", va="center", fontsize=18)
