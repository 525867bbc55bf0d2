"""Does depth help where more parameters do not? Digits anywhere on a noisy canvas, CNNs of one to five convolutions.

The band. Figure 6.6 says that test accuracy rises with depth: the deepest network should be above the shallowest by more
than 2.8 standard errors of the difference (Student's t of three seeds each, 5 %), and accuracy should rise with depth by rank
(Spearman at least 0.75 over the means: of four depths one pair of neighbours may be swapped, which gives 0.8). Figure 6.7
says that parameters without depth do not do the same: a network of two convolutions with as many parameters as the deepest,
by more filters, should stay below the deepest by as many standard errors. All start from He's weights, which do not favour a
depth.

The book's data, photographs of house numbers, is not at hand: handwritten digits anywhere on a larger, noisy canvas stand in
for it. The last maps are averaged over the whole canvas, so that a digit is known by what single units see of it.

Source: Goodfellow, Bengio and Courville, *Deep Learning*, 2016, figures 6.6 and 6.7.
"""

import torch
from torch import Tensor

from ajuste_fino.backbone.designed import Design, DesignedNet
from ajuste_fino.lecture.data import Split, digits
from ajuste_fino.lecture.findings import Check, Findings, Table
from ajuste_fino.lecture.settings import Limit
from ajuste_fino.lecture.slide import Slide, curve, integer_ticks, show_image, slide
from ajuste_fino.lecture.stats import rank_correlation
from ajuste_fino.lecture.text import Texts
from ajuste_fino.lecture.training import accuracy, falling_rate, train
from ajuste_fino.report.plots import BLUE, ORANGE
from ajuste_fino.scratch import nn
from ajuste_fino.scratch.optim import Adam

FORMULAS = (r"z_n=f(W_n * z_{n-1}+b_n),\quad n=1,\ldots,N",)
LIMITS = {"depths": Limit(1, 20, shortest=3), "seeds": Limit(2, 1000)}
USES = ("backbone.designed.DesignedNet", "scratch.nn.Linear", "scratch.functional.cross_entropy", "scratch.optim.Adam")
CANVAS = 12  # px
RATE = 5e-3
NOISE = 0.3  # of the digits' standard deviation


def measure(*, depths: list[int], filters: int, widths: list[int], images: int, epochs: int, seeds: int) -> Findings:
    """Test accuracy by depth at one width, and by width at the second depth.

    Args:
        depths: numbers of convolutions.
        filters: of each of them.
        widths: filters of the control, with `depths[1]` convolutions; the last makes it as large as the deepest.
        images: training images, each a digit at a place of its own.
        epochs: of each training.
        seeds: networks, and orders of the images.
    """
    train_digits, _, test_digits = digits()
    train_set, test_set = _place_on_canvas(train_digits, images, 0), _place_on_canvas(test_digits, 1000, 1)
    plan = [("depth", depth, filters) for depth in depths] + [("width", depths[1], width) for width in widths]
    rows = Table()
    for kind, depth, width in plan:
        for seed in range(seeds):
            net = _net(depth, width, seed)
            _fit(net, train_set, epochs, seed)
            size = sum(p.numel() for p in net.parameters())
            score = accuracy(net, test_set.x, test_set.y)
            rows.append({"kind": kind, "depth": depth, "filters": width, "seed": seed, "parameters": size, "accuracy": score})
    return Findings(_checks(rows), rows, {"examples": test_set.x[:4, 0], "labels": test_set.y[:4].tolist()})


def _place_on_canvas(data: Split, count: int, seed: int) -> Split:
    """(count, 3, 12, 12): digits at random places, with noise all over."""
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randint(len(data.y), (count,), generator=generator)
    places = torch.randint(CANVAS - 7, (count, 2), generator=generator).tolist()
    canvas = torch.full((count, 1, CANVAS, CANVAS), float(data.x.min()))
    for image, digit, (top, left) in zip(canvas, data.x[chosen], places, strict=True):
        image[:, top : top + 8, left : left + 8] = digit
    canvas += torch.randn(canvas.shape, generator=generator) * NOISE
    return Split(canvas.expand(-1, 3, -1, -1).contiguous(), data.y[chosen])


def _net(depth: int, width: int, seed: int) -> torch.nn.Module:
    torch.manual_seed(seed)
    body = DesignedNet(Design(layers=depth, filters=[width] * depth, pooling="none", grid=1, impl="torch"))
    for layer in body.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            torch.nn.init.zeros_(torch.as_tensor(layer.bias))
    return torch.nn.Sequential(body, nn.Linear(width, 10))


def _fit(net: torch.nn.Module, data: Split, epochs: int, seed: int) -> None:
    optimizer = Adam(net.parameters(), lr=RATE)
    train(net, optimizer, data.x, data.y, epochs, seed, watch=falling_rate(optimizer, epochs))


def _accuracies(rows: Table, kind: str, by: str) -> dict[int, Tensor]:
    """The accuracies of the seeds, by another column of the rows of a kind."""
    keys = dict.fromkeys(rows.column(by, kind=kind))
    return {key: torch.tensor(rows.column("accuracy", kind=kind, **{by: key})) for key in keys}


def _checks(rows: Table) -> list[Check]:
    by_depth, by_size = _accuracies(rows, "depth", "depth"), _accuracies(rows, "width", "parameters")
    shallowest, *_, deepest = by_depth.values()
    *_, largest = by_size.values()
    rank = rank_correlation(list(by_depth), [float(v.mean()) for v in by_depth.values()])
    return [
        Check("deepest_over_shallowest", _difference(deepest, shallowest), 2.8),
        Check("rank", rank, 0.75, 1),
        Check("deepest_over_control", _difference(deepest, largest), 2.8),
    ]


def _difference(a: Tensor, b: Tensor) -> float:
    """How many standard errors of the difference the mean of `a` is above that of `b`."""
    error = (a.var() / len(a) + b.var() / len(b)).sqrt()
    return float((a.mean() - b.mean()) / error)


def draw(findings: Findings, texts: Texts) -> Slide:
    """Left: by depth. Middle: by parameters, both ways. Right: what is to be read."""
    by_depth, by_size = (_accuracies(findings.rows, "depth", by) for by in ("depth", "parameters"))
    control = dict([list(by_size.items())[1], *_accuracies(findings.rows, "width", "parameters").items()])
    figure, (left, middle, *examples) = slide(findings, texts, "aabbbc;aabbbd;aabbbe", width_ratios=[1, 1, 1, 1, 1, 1.1])
    curve(left, list(by_depth), by_depth.values(), color=BLUE, marker="o")
    curve(middle, list(by_size), by_size.values(), color=BLUE, marker="o", label=texts("deeper"))
    curve(middle, list(control), control.values(), color=ORANGE, marker="s", label=texts("more_filters"))
    left.set_xlabel(texts("convolutions"))
    integer_ticks(left)
    middle.set_xlabel(texts("parameters"))
    middle.set_xscale("log")
    left.set_ylabel(texts("test_accuracy"))
    middle.legend(loc="lower right")
    middle.sharey(left)
    for axes, image, label in zip(examples, findings.data["examples"], findings.data["labels"], strict=False):
        show_image(axes, image, texts("class", label=label), cmap="gray")
    return figure
