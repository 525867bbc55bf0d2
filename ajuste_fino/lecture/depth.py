"""Does depth help where more parameters do not? Digits anywhere on a noisy canvas, CNNs of one to five convolutions.

The band. Figure 6.6 says that test accuracy rises with depth: the deepest network should be above the shallowest by more
than 2.8 standard errors of the difference (Student's t of three seeds each, 5 %), and accuracy should rise with depth by rank
(Spearman at least 0.75 over the means; 0.8 if one pair of neighbours is swapped). Figure 6.7 says that parameters without
depth do not do the same: a network of two convolutions with as many parameters as the deepest, by more filters, should stay
below the deepest by as many standard errors. All start from He's weights, which do not favour a depth.

The book's data, photographs of house numbers, is not at hand: handwritten digits anywhere on a larger, noisy canvas stand in
for it. The last maps are averaged over the whole canvas, so that a digit is known by what single units see of it.

Source: Goodfellow, Bengio and Courville, *Deep Learning*, 2016, figures 6.6 and 6.7.
"""

from typing import Any

import torch
from torch import Tensor

from ajuste_fino.backbone.designed import Design, DesignedNet
from ajuste_fino.lecture.data import Part, digits
from ajuste_fino.lecture.findings import Check, Findings, Limit, Text, words
from ajuste_fino.lecture.slide import Slide, picture, slide, whole
from ajuste_fino.lecture.training import accuracy, train
from ajuste_fino.report.plots import BLUE, ORANGE
from ajuste_fino.scratch import nn
from ajuste_fino.scratch.optim import Adam

TITLE = Text(
    "Test accuracy rises with depth; as many parameters without the depth do not do the same",
    "La exactitud de prueba crece con la profundidad; igual número de parámetros sin la profundidad no logra lo mismo",
)
NOTE = Text(
    "Depth brings a larger receptive field with it: two convolutions of 3 × 3 see 5 px, five see 11. More filters cannot do "
    "that; larger masks could.",
    "La profundidad trae consigo un campo receptivo mayor: dos convoluciones de 3 × 3 ven 5 px, cinco ven 11. Más filtros no "
    "lo logran; máscaras más grandes podrían.",
)
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
        images: training pictures, each a digit at a place of its own.
        epochs: of each training.
        seeds: networks, and orders of the pictures.
    """
    train_part, _, test_part = digits()
    train_set, test_set = _scattered(train_part, images, 0), _scattered(test_part, 1000, 1)
    plan = [("depth", depth, filters) for depth in depths] + [("width", depths[1], width) for width in widths]
    rows = []
    for kind, depth, width in plan:
        for seed in range(seeds):
            net = _net(depth, width, seed)
            _fit(net, train_set, epochs, seed)
            size = sum(p.numel() for p in net.parameters())
            score = accuracy(net, test_set.x, test_set.y)
            rows.append({"kind": kind, "depth": depth, "filters": width, "seed": seed, "parameters": size, "accuracy": score})
    return Findings(_checks(rows), rows, {"examples": test_set.x[:4, 0], "labels": test_set.y[:4].tolist()})


def _scattered(part: Part, count: int, seed: int) -> Part:
    """(count, 3, 12, 12): digits at random places, with noise all over."""
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randint(len(part.y), (count,), generator=generator)
    places = torch.randint(CANVAS - 7, (count, 2), generator=generator).tolist()
    canvas = torch.full((count, 1, CANVAS, CANVAS), float(part.x.min()))
    for image, digit, (top, left) in zip(canvas, part.x[chosen], places, strict=True):
        image[:, top : top + 8, left : left + 8] = digit
    canvas += torch.randn(canvas.shape, generator=generator) * NOISE
    return Part(canvas.expand(-1, 3, -1, -1).contiguous(), part.y[chosen])


def _net(depth: int, width: int, seed: int) -> torch.nn.Module:
    torch.manual_seed(seed)
    body = DesignedNet(Design(layers=depth, filters=[width] * depth, pooling="none", grid=1, impl="torch"))
    for layer in body.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            torch.nn.init.zeros_(torch.as_tensor(layer.bias))
    return torch.nn.Sequential(body, nn.Linear(width, 10))


def _fit(net: torch.nn.Module, data: Part, epochs: int, seed: int) -> None:
    """Adam, its rate falling in a straight line (algorithm 8.1's schedule), so that the last weights are settled ones."""
    optimizer = Adam(net.parameters(), lr=RATE)

    def fall(epoch: int) -> None:
        optimizer.param_groups[0]["lr"] = RATE * (1 - (epoch + 1) / epochs)

    train(net, optimizer, data.x, data.y, epochs, seed, watch=fall)


def _means(rows: list[dict[str, Any]], kind: str, by: str) -> dict[int, Tensor]:
    """By depth or width: the accuracies of the seeds."""
    keys = dict.fromkeys(row[by] for row in rows if row["kind"] == kind)
    return {key: torch.tensor([row["accuracy"] for row in rows if row["kind"] == kind and row[by] == key]) for key in keys}


def _checks(rows: list[dict[str, Any]]) -> list[Check]:
    from scipy.stats import spearmanr

    deep, wide = _means(rows, "depth", "depth"), _means(rows, "width", "parameters")
    first, last = next(iter(deep.values())), list(deep.values())[-1]
    rank = float(spearmanr(list(deep), [float(v.mean()) for v in deep.values()])[0])
    shallow, control = (
        Text("the shallowest", "la menos profunda"),
        Text("the shallow one with more filters", "la poco profunda con más filtros"),
    )
    return [
        _above(last, first, shallow),
        Check(
            Text("rank correlation of depth and accuracy", "correlación de rangos entre profundidad y exactitud"), rank, 0.8, 1
        ),
        _above(last, list(wide.values())[-1], control),
    ]


def _above(deepest: Tensor, other: Tensor, name: Text) -> Check:
    """By how many standard errors of the difference the deepest is better."""
    error = (deepest.var() / len(deepest) + other.var() / len(other)).sqrt()
    what = Text(
        f"accuracy of the deepest minus that of {name.en}, in standard errors",
        f"exactitud de la más profunda menos la de {name.es}, en errores estándar",
    )
    return Check(what, float((deepest.mean() - other.mean()) / error), 2.8)


def draw(findings: Findings, lang: str = "en") -> Slide:
    """Left: by depth. Middle: by parameters, both ways. Right: what is to be read."""
    say, rows = words(lang), list(findings.rows)
    figure, (left, middle, *examples) = slide(TITLE, lang, "aabbbc;aabbbd;aabbbe", width_ratios=[1, 1, 1, 1, 1, 1.1])
    for axes, by in ((left, "depth"), (middle, "parameters")):
        series = [("depth", BLUE, "o", say("deeper", "más profunda"))]
        series += [("width", ORANGE, "s", say("shallow, more filters", "poco profunda, más filtros"))] if axes is middle else []
        for kind, color, marker, label in series:
            groups = (
                _means(rows, kind, by)
                if kind == "depth"
                else dict([list(_means(rows, "depth", by).items())[1], *_means(rows, kind, by).items()])
            )
            axes.plot(list(groups), [float(v.mean()) for v in groups.values()], marker + "-", color=color, label=label)
            axes.fill_between(
                list(groups),
                [float(v.min()) for v in groups.values()],
                [float(v.max()) for v in groups.values()],
                color=color,
                alpha=0.2,
            )
    left.set_xlabel(say("convolutions", "convoluciones"))
    whole(left)
    middle.set_xlabel(say("parameters", "parámetros"))
    middle.set_xscale("log")
    left.set_ylabel(say("test accuracy", "exactitud de prueba"))
    middle.legend(loc="lower right")
    middle.sharey(left)
    for axes, image, label in zip(examples, findings.data["examples"], findings.data["labels"], strict=False):
        picture(axes, image, say(f"class: {label}", f"clase: {label}"), cmap="gray")
    return figure
