"""From scratch, frozen with a new head, or fine-tuned: accuracy by the labels there are; and which trained network to choose.

Two architectures take each way: EfficientNet-Lite0, trained on the photographs of ImageNet, and the embedded network, trained
on fractals; both from random weights as well, frozen and trained. All see the same images: the user's, or views of places in
two photographs (`views.py` says why).

The bands. Frozen, the network of ImageNet should be ahead of both that are trained from scratch, whichever is better: by at
least 0.1 with five labels a class, and in every single run with two or more, all of them included. What is
ahead should be its training and not its architecture: by at least 0.1 over the better random backbone, frozen like it, with
five labels. Fine-tuning with all labels should not lose: at least the frozen accuracy less 0.005, which is two images of 400.

The recipe says to choose a network that was trained on a similar problem. ImageNet's should be worth more than that of fractals
on photographs (near) than it is on digits (far), by two standard errors (s.e.) over the seeds, which of three seeds without a
difference one in eleven is. And the labelled images should
be enough to choose by: cross-validated heads, as `choose` fits them on ten labels a class, name one of the four backbones
whose accuracy on the test images is on average at most 0.02 below that of the best.

Sources: the lecture's recipe; Yosinski, Clune, Bengio and Lipson, NeurIPS 2014; Kornblith, Shlens and Le, "Do Better
ImageNet Models Transfer Better?", CVPR 2019.
"""

from collections.abc import Iterator
from itertools import product
from typing import Any

from matplotlib.axes import Axes
from torch import arange

from ajuste_fino.choose.heads import out_of_fold
from ajuste_fino.lecture.data import Split
from ajuste_fino.lecture.findings import Check, Findings, Table
from ajuste_fino.lecture.own_images import LEAST_TESTED
from ajuste_fino.lecture.settings import Limit
from ajuste_fino.lecture.slide import Slide, curve, slide
from ajuste_fino.lecture.stats import standard_errors
from ajuste_fino.lecture.tasks import digit_images, photographs
from ajuste_fino.lecture.text import Texts
from ajuste_fino.lecture.training import accuracy
from ajuste_fino.lecture.ways import Budget, accuracy_of, features, fine_tune, network, train_from_scratch, train_head
from ajuste_fino.report.plots import BLACK, BLUE, GREEN, ORANGE

FORMULAS = (r"\min_{V}\;J(V,\,\bar{w})\;\rightarrow\;\min_{V,w}\;J(V,w)",)
LIMITS = {"seeds": Limit(2, 1000), "side": Limit(32, 1024), "labels": Limit(0, 10_000, shortest=2, rising=True)}
USES = ("backbone", "head.Head", "choose.heads", "scratch.nn.Linear", "scratch.nn.Dropout", "scratch.optim.Adam")
NETWORKS = {"efficientnet_lite0": "ImageNet", "embedded": "fractals"}  # what their weights were trained on
FEW_LABELS = 5  # of each class, where few are compared
CHOSEN_BY = 10  # labels of each class, from which a backbone is chosen
FOLDS = 5

BackboneFeatures = dict[tuple[str, str], tuple[Split, Split]]  # (network, trained on what) → training and test features


def measure(
    *, labels: list[int], side: int, steps: dict[str, int], passes: dict[str, int], seeds: int, data: dict[str, str | None]
) -> Findings:
    """Measure test accuracy for each network, way to train and number of labels; and for four backbones near and far.

    Args:
        labels: images of each class, rising; 0 at the end: all.
        side: of the images, in px.
        steps: minibatches of 32 images, by the way to train.
        passes: over all images, at least, by the way to train.
        seeds: drawn training sets and first weights.
        data: `root`, a folder of photographs; null: views made of two photographs.
    """
    budget = Budget(steps, passes)
    tasks = {"near": photographs(data["root"], side), "far": digit_images(side)}
    trained = {task: _backbone_features(images, "pretrained", side, 0) for task, images in tasks.items()}
    rows = Table()
    for seed in range(seeds):
        found = {task: trained[task] | _backbone_features(images, "none", side, seed) for task, images in tasks.items()}
        rows += [
            {"part": "labels", **row}
            for count in labels
            for row in _compare_ways(tasks["near"], found["near"], count, budget, seed)
        ]
        rows += [
            {"part": "choice", "labels": CHOSEN_BY, "seed": seed, "task": task, **row}
            for task in tasks
            for row in _compare_backbones(found[task], budget, seed)
        ]
    return Findings(_checks(rows, labels), rows, {"labels": labels}, len(tasks["near"][1].y) >= LEAST_TESTED)


def _backbone_features(images: tuple[Split, Split], weights: str, side: int, seed: int) -> BackboneFeatures:
    """The features of both networks with one kind of weights, `pretrained` or `none`."""
    bodies = {name: network(name, weights, side, seed) for name in NETWORKS}
    return {
        (name, "nothing" if weights == "none" else NETWORKS[name]): (features(body, images[0]), features(body, images[1]))
        for name, body in bodies.items()
    }


def _classes(data: Split) -> int:
    return int(data.y.max()) + 1


def _compare_ways(
    images: tuple[Split, Split], found: BackboneFeatures, count: int, budget: Budget, seed: int
) -> Iterator[dict[str, Any]]:
    """The test accuracy of each network and way: a new head on frozen weights, random or trained; fine-tuned; from scratch."""
    train_set, test = images[0].sample(count, seed), images[1]  # of a small class all, where it has fewer
    side, classes = test.x.shape[-1], _classes(images[0])
    what = {"labels": count, "images": len(train_set.y), "seed": seed}
    for (name, trained_on), (train_features, test_features) in found.items():
        way = "random, frozen" if trained_on == "nothing" else "frozen"
        head = train_head(train_features.sample(count, seed), classes, budget, seed)
        yield {**what, "network": name, "way": way, "accuracy": accuracy(head, test_features.x, test.y)}
        if trained_on != "nothing":
            tuned = fine_tune(network(name, "pretrained", side, seed), head, train_set, budget, seed)
            yield {**what, "network": name, "way": "fine-tuned", "accuracy": accuracy_of(tuned, test)}
    for name in NETWORKS:
        net, loss = train_from_scratch(name, train_set, classes, side, budget, seed)
        yield {**what, "network": name, "way": "scratch", "accuracy": accuracy_of(net, test), "training loss": loss}


def _compare_backbones(found: BackboneFeatures, budget: Budget, seed: int) -> Iterator[dict[str, Any]]:
    """Of each backbone the accuracy that cross-validation on few labelled images promises, and that on the test images."""
    for (name, trained_on), (train_features, test) in found.items():
        few, classes = train_features.sample(CHOSEN_BY, seed), _classes(train_features)
        promised = out_of_fold(few.x, few.y, arange(len(few.y)) % FOLDS) == few.y  # a class lies together: each fold has some
        head = train_head(few, classes, budget, seed)
        row = {"network": name, "trained on": trained_on, "cross-validated": float(promised.double().mean())}
        yield {**row, "accuracy": accuracy(head, test.x, test.y)}


def _checks(rows: Table, labels: list[int]) -> list[Check]:
    few, last = min(labels, key=lambda count: abs(count - FEW_LABELS) if count else 10**6), labels[-1]
    ahead = _of_imagenet(rows, few, "frozen") - _best(rows, few, "scratch")
    over_random = _of_imagenet(rows, few, "frozen") - _best(rows, few, "random, frozen")
    tuned = _of_imagenet(rows, last, "fine-tuned") - _of_imagenet(rows, last, "frozen")
    seeds = sorted(set(rows.column("seed")))
    leads = [_lead(rows, count, seed) for count in labels if count != 1 for seed in seeds]
    gains = [_advantage(rows, "near", seed) - _advantage(rows, "far", seed) for seed in seeds]
    regrets = [_regret(rows, task, seed) for task in ("near", "far") for seed in seeds]
    return [
        Check("ahead", ahead, 0.1, values={"labels": few}),
        Check("ahead_from_two", min(leads), 0, explanation="caught_up"),
        Check("trained", over_random, 0.1, explanation="too_easy", values={"labels": few}),
        Check("tuned" if last else "tuned_all", tuned, -0.005, explanation="too_few", values={"labels": last}),
        Check("similar", standard_errors(gains), 2, explanation="similar_not_better"),
        Check("chosen", sum(regrets) / len(regrets), 0, 0.02),
    ]


def _of_imagenet(rows: Table, count: int, way: str) -> float:
    return rows.mean("accuracy", part="labels", labels=count, way=way, network="efficientnet_lite0")


def _best(rows: Table, count: int, way: str) -> float:
    """The accuracy of a way by the network that it suits better."""
    return max(rows.mean("accuracy", part="labels", labels=count, way=way, network=name) for name in NETWORKS)


def _lead(rows: Table, count: int, seed: int) -> float:
    """By how much ImageNet's network, frozen, is ahead of the better one from scratch, in one run."""

    def of(name: str, way: str) -> float:
        return rows.mean("accuracy", part="labels", labels=count, seed=seed, way=way, network=name)

    return of("efficientnet_lite0", "frozen") - max(of(name, "scratch") for name in NETWORKS)


def _advantage(rows: Table, task: str, seed: int) -> float:
    """By how much the backbone of ImageNet is better than the one of fractals."""
    of = (rows.mean("accuracy", task=task, seed=seed, **{"trained on": name}) for name in NETWORKS.values())
    imagenet, fractals = of
    return imagenet - fractals


def _regret(rows: Table, task: str, seed: int) -> float:
    """How far below the best accuracy that of the backbone is which cross-validation names."""
    of_task = [row for row in rows if row.get("task") == task and row["seed"] == seed]
    named = max(of_task, key=lambda row: row["cross-validated"])
    return float(max(row["accuracy"] for row in of_task) - named["accuracy"])


def draw(findings: Findings, texts: Texts) -> Slide:
    """Left: accuracy by labels. Right: the backbones, near and far."""
    figure, (left, right) = slide(findings, texts, "ab", width_ratios=[1.5, 1])
    _draw_by_labels(left, findings.rows, findings.data["labels"], texts)
    _draw_backbones(right, findings.rows, texts)
    return figure


def _draw_by_labels(axes: Axes, rows: Table, labels: list[int], texts: Texts) -> None:
    """The network of ImageNet takes all ways, a colour each; that of fractals is dashed."""
    ways = (("fine-tuned", "fine_tuned", ORANGE, "^"), ("frozen", "frozen", BLUE, "s"), ("scratch", "scratch", BLACK, "o"))
    for (name, trained_on), (way, key, color, marker) in product(NETWORKS.items(), ways):
        values = [rows.column("accuracy", part="labels", labels=count, way=way, network=name) for count in labels]
        words = texts(name if way == "scratch" else trained_on)
        style: dict[str, Any] = {"linestyle": "-" if name == "efficientnet_lite0" else "--", "marker": marker}
        curve(axes, range(len(labels)), values, color=color, label=texts(key, of=words), **style)
    axes.set_xticks(range(len(labels)), [str(count) if count else texts("all_labels") for count in labels])
    axes.set_xlabel(texts("labels"))
    axes.set_ylabel(texts("test_accuracy"))
    axes.set_ylim(0, 1)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, fontsize=11)


def _draw_backbones(axes: Axes, rows: Table, texts: Texts) -> None:
    colors = {"ImageNet": BLUE, "fractals": GREEN, "nothing": BLACK}
    for n, (trained_on, color) in enumerate(colors.items()):
        for m, task in enumerate(("near", "far")):
            values, x = rows.column("accuracy", task=task, **{"trained on": trained_on}), m + 0.27 * (n - 1)
            axes.bar(x, sum(values) / len(values), 0.25, color=color, label=texts(trained_on) if m == 0 else None)
            axes.plot([x] * len(values), values, ".", color="0.6", markersize=8)
    axes.set_xticks([0, 1], [texts("near"), texts("far")])
    axes.set_ylim(0, 1.18)
    axes.legend(title=texts("trained_on"), ncols=3, loc="upper center", columnspacing=0.8, handlelength=1)
