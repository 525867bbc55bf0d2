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

from ajuste_fino.lecture.findings import Check, Findings, Table
from ajuste_fino.lecture.photo import grey, photograph
from ajuste_fino.lecture.settings import Limit
from ajuste_fino.lecture.slide import MARKERS, Slide, integer_ticks, show_image, slide
from ajuste_fino.lecture.text import Texts
from ajuste_fino.report.plots import COLORS
from ajuste_fino.scratch import nn
from ajuste_fino.scratch.functional import conv2d

FORMULAS = (
    r"\max_{i\in w}z_i",
    r"\sum_{i\in w}a_i z_i,\;\sum_i a_i=1",
    r"\|z_w\|_2=(\sum_{i\in w}z_i^2)^{1/2}",
)
LIMITS = {"window": Limit(2, 16), "shifts": Limit(1, 16), "sizes": Limit(8, 1024, shortest=2)}
USES = ("scratch.nn.MaxPool2d", "AvgPool2d", "LPPool2d", "WeightedAvgPool2d", "ChannelMaxPool", "AdaptiveAvgPool2d", "Conv2d")
EXAMPLE = [[1.0, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]]  # the slide's
EXAMPLE_POOLED = [[6.0, 8], [3, 4]]
EDGE = [[0.0, 0, 1, 0, 0], [0, 0, 1, 0, 0], [0, 0, 1, 0, 0], [-1, -1, -1, -1, -1], [0, 0, 0, 0, 0]]


def measure(*, window: int, filters: int, shifts: list[int], sizes: list[int], seeds: int) -> Findings:
    """Measure how a shift changes what each pooling gives; check rotated filters, power means, sizes, the slide's example.

    Args:
        window: side of the pooling windows, px.
        filters: random 5 × 5 masks that give the maps.
        shifts: px along a row.
        sizes: of the images that one network takes.
        seeds: draws of the masks.
    """
    rows, exact = Table(), {"means": 0.0, "turns": 0.0, "sides": 0, "sizes": 0}
    for seed in range(seeds):
        torch.manual_seed(seed)
        masks = torch.randn(filters, 1, 5, 5) / 5
        rows += [{"seed": seed, **row} for row in _shift_changes(masks, window, shifts)]
        exact["turns"] = max(exact["turns"], _rotation_error(masks))
        exact["means"] = max(exact["means"], _power_mean_violation(masks, window))
    exact["sides"] = sum(nn.MaxPool2d(2, 2)(torch.rand(1, 1, s, s)).shape[-1] != s // 2 for s in sizes)
    exact["sizes"] = _count_rejected(sizes, grid=True)
    exact["control"] = _count_rejected(sizes, grid=False) - (len(set(sizes)) - 1)
    table = nn.MaxPool2d(2, 2)(torch.tensor(EXAMPLE)[None, None])[0, 0]
    checks = _checks(rows, exact, float((table - torch.tensor(EXAMPLE_POOLED)).abs().max()), min(shifts))
    return Findings(checks, rows, {"table": table, "bank": _bank(torch.tensor(EDGE)[None, None]), "shifts": shifts})


def _poolings(window: int) -> dict[str, Any]:
    ramp = torch.minimum(torch.arange(1, window + 1), torch.arange(window, 0, -1)).float()
    weighted = nn.WeightedAvgPool2d(window, stride=1, weight=ramp[:, None] * ramp)
    return {
        "none": torch.nn.Identity(),
        "max": nn.MaxPool2d(window, 1),
        "average": nn.AvgPool2d(window, 1),
        "weighted": weighted,
        "norm": nn.LPPool2d(2, window, 1),
    }


@torch.no_grad()
def _shift_changes(masks: Tensor, window: int, shifts: list[int]) -> list[dict[str, Any]]:
    """‖P(shifted) − P‖ / ‖P‖ for the maps of a photograph, away from its border; stride 1, so that only P differs."""
    image = grey(128)
    margin = max(shifts) + 4
    rows = []
    for name, pool in _poolings(window).items():
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
def _rotation_error(masks: Tensor) -> float:
    """How far turning the image changes the maximum over bank and map, relative to it."""
    image, error = grey(64), 0.0
    across = nn.ChannelMaxPool(4)
    for mask in masks[:, None]:
        answers = [across(conv2d(torch.rot90(image, turn, (2, 3)), _bank(mask))).amax() for turn in range(4)]
        error = max(error, float((max(answers) - min(answers)) / max(answers).abs()))
    return error


@torch.no_grad()
def _power_mean_violation(masks: Tensor, window: int) -> float:
    """How far any window breaks mean ≤ root mean square ≤ max, relative to the largest value."""
    maps = nn.ReLU()(conv2d(grey(64), masks))
    mean, root, largest = nn.AvgPool2d(window)(maps), nn.LPPool2d(2, window)(maps) / window, nn.MaxPool2d(window)(maps)
    return float(torch.maximum(mean - root, root - largest).amax().clamp(min=0) / maps.amax())


@torch.no_grad()
def _count_rejected(sizes: list[int], grid: bool) -> int:
    """How many sizes a network that ends in a fully connected layer cannot take, with a grid of pooled cells or without."""
    side = 4 if grid else sizes[0] - 2
    middle = nn.AdaptiveAvgPool2d(side) if grid else torch.nn.Identity()
    net = torch.nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), middle, nn.Flatten(), nn.Linear(8 * side**2, 10))
    return sum(not _accepts(net, photograph(size)[None]) for size in sizes)


def _accepts(net: torch.nn.Module, image: Tensor) -> bool:
    try:
        net(image)
    except RuntimeError:  # the shapes do not fit
        return False
    return True


def _checks(rows: Table, exact: dict[str, Any], example: float, shift: int) -> list[Check]:
    def ratio(name: str, pooling: str, other: str) -> Check:
        change = {one: rows.mean("change", pooling=one, shift=shift) for one in (pooling, other)}
        return Check(name, change[pooling] / change[other], 0, 1, values={"shift": shift})

    identities = {"example": (example, 0), "means": (exact["means"], 1e-6), "turns": (exact["turns"], 1e-5)}
    identities |= {"sides": (exact["sides"], 0), "sizes": (exact["sizes"], 0)}
    return [
        ratio("max_over_none", "max", "none"),
        ratio("average_over_none", "average", "none"),
        ratio("norm_over_none", "norm", "none"),
        ratio("weighted_over_none", "weighted", "none"),
        ratio("average_over_weighted", "average", "weighted"),
        Check("control", exact["control"], 0, 0),
        *(Check(name, value, 0, most, identity=True) for name, (value, most) in identities.items()),
    ]


def draw(findings: Findings, texts: Texts) -> Slide:
    """Left: the change by shift. Right: the slide's example and the bank of filters."""
    rows, shifts = findings.rows, findings.data["shifts"]
    figure, (changes, example, answer, filters, photo) = slide(findings, texts, "abc;ade", width_ratios=[2.2, 1, 1])
    for pooling, color, marker in zip(dict.fromkeys(rows.column("pooling")), COLORS, MARKERS, strict=False):
        means = [rows.mean("change", pooling=pooling, shift=shift) for shift in shifts]
        changes.plot(shifts, means, color=color, marker=marker, label=texts(pooling))
    changes.set_xlabel(texts("shift"))
    changes.set_ylabel(texts("change"))
    changes.legend()
    integer_ticks(changes)
    _show_numbers(example, torch.tensor(EXAMPLE), texts("one_map"))
    _show_numbers(answer, findings.data["table"], texts("pooled_map"))
    first, second, third, fourth = findings.data["bank"][:, 0]
    bank = torch.cat([torch.cat([first, second], 1), torch.cat([fourth, third], 1)])
    show_image(filters, bank, texts("bank"), cmap="RdBu", vmin=-1, vmax=1)
    show_image(photo, torch.rot90(photograph(96), 1, (1, 2)), texts("turned"))
    return figure


def _show_numbers(axes: Any, table: Tensor, title: str) -> None:
    """A table as an image, with the number in each cell."""
    show_image(axes, table / 8, title, cmap="Blues", vmin=0, vmax=1.6)
    for r, row in enumerate(table.tolist()):
        for c, value in enumerate(row):
            axes.text(c, r, f"{value:g}", ha="center", va="center", fontsize=18)
