"""From scratch, frozen with a new head, or fine-tuned: accuracy by the labels there are; and which backbone to choose.

The bands. With five labels a class the frozen backbone should be ahead of training from scratch by at least 0.05. With all
labels training from scratch should have caught up to within 0.03, and fine-tuning should not lose: at least the frozen
accuracy less 0.005. The recipe says to choose a network trained on a similar problem: one trained on the digits 0 to 4
should be worth more, compared with the one trained on fractals, on the digits 5 to 9 (near) than on photographs (far), by
two standard errors (s.e.) over the seeds.

All three ways see the same images of 32 px through the same architecture, the embedded one up to its third block. Near
and far are judged by new heads on frozen features, five labels a class.

Sources: the lecture's recipe; Yosinski, Clune, Bengio and Lipson, NeurIPS 2014; Kornblith, Shlens and Le, "Do Better
ImageNet Models Transfer Better?", CVPR 2019.
"""

from pathlib import Path
from typing import Any

import torch
from matplotlib.axes import Axes
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ajuste_fino.backbone import Backbone, build
from ajuste_fino.data.config import DataConfig
from ajuste_fino.data.images import read_image
from ajuste_fino.data.manifest import load_manifest
from ajuste_fino.data.transforms import Preprocessing
from ajuste_fino.head import Head, HeadShape
from ajuste_fino.lecture.data import Split, digits
from ajuste_fino.lecture.findings import Check, Findings, Table
from ajuste_fino.lecture.frozen import quiet
from ajuste_fino.lecture.photo import photograph
from ajuste_fino.lecture.settings import Limit
from ajuste_fino.lecture.slide import Slide, curve, slide
from ajuste_fino.lecture.stats import standard_errors
from ajuste_fino.lecture.text import Texts
from ajuste_fino.lecture.training import accuracy, train
from ajuste_fino.report.plots import BLACK, BLUE, GREEN, ORANGE
from ajuste_fino.scratch.optim import Adam

FORMULAS = (r"\min_{V}\;J(V,\,\bar{w})\;\rightarrow\;\min_{V,w}\;J(V,w)",)
LIMITS = {"seeds": Limit(2, 1000)}
USES = ("backbone.embedded", "head.Head", "scratch.nn.Linear", "scratch.nn.Dropout", "scratch.optim.Adam")
SIDE = 32  # px
BATCH = 32
FEW_LABELS = 5  # labels a class, near and far


def measure(
    *, labels: list[int], scratch_steps: int, tuning_steps: int, head_steps: int, seeds: int, far: str | None
) -> Findings:
    """Measure test accuracy on the digits for each way to train and number of labels, and for three backbones near and far.

    Args:
        labels: images of each class, rising; 0 at the end: all.
        scratch_steps: minibatches of 32 images from random weights.
        tuning_steps: minibatches of fine-tuning, after the head was trained.
        head_steps: minibatches of a head on frozen features.
        seeds: drawn training sets and first weights.
        far: a folder of images as `data.root` takes it; null: patches of two photographs.
    """
    steps = {"scratch": scratch_steps, "tuning": tuning_steps, "head": head_steps}
    train_digits, _, test_digits = digits()
    near = tuple(Split(_normalised(data.x), data.y) for data in (train_digits, test_digits))
    rows = Table(
        {"part": "labels", "labels": count, "seed": seed, "mode": mode, "accuracy": score}
        for seed in range(seeds)
        for count in labels
        for mode, score in _compare_ways(near[0].sample(count, seed), near[1], steps, seed).items()
    )
    tasks = {"near": tuple(_of_classes(data, range(5, 10)) for data in near), "far": _far_task(far)}
    rows += [row for seed in range(seeds) for row in _compare_backbones(tasks, _of_classes(near[0], range(5)), steps, seed)]
    return Findings(_checks(rows, labels), rows, {"labels": labels})


def _normalised(x: Tensor) -> Tensor:
    """(N, 1, 8, 8) → (N, 3, 32, 32), normalised as the backbone expects."""
    low, high = x.amin(), x.amax()
    large = interpolate((x - low) / (high - low), (SIDE, SIDE), mode="bilinear")
    return (large.expand(-1, 3, -1, -1) - 0.5) / 0.25


def _of_classes(data: Split, classes: range) -> Split:
    """The samples of some classes, which are counted from 0."""
    chosen = data[(data.y >= classes.start) & (data.y < classes.stop)]
    return Split(chosen.x, chosen.y - classes.start)


def _backbone(weights: str, seed: int) -> Backbone:
    torch.manual_seed(seed)
    return build("embedded", weights, size=SIDE)[0].eval()


def _compare_ways(train_set: Split, test: Split, steps: dict[str, int], seed: int) -> dict[str, float]:
    """The test accuracy of each way to train: from scratch, a new head on a frozen backbone, fine-tuned after that."""
    backbone = _backbone("pretrained", seed)
    head = _train_head(backbone, train_set, steps["head"], seed)
    frozen = _head_accuracy(backbone, head, test)
    tuned = nn.Sequential(FrozenBatchNorm(backbone), head)
    _fit(tuned, train_set, steps["tuning"], 1e-4, seed)
    fresh = _train_from_scratch(train_set, 10, steps["scratch"], seed)
    return {"scratch": _net_accuracy(fresh, test), "frozen": frozen, "fine-tuned": _net_accuracy(tuned, test)}


def _train_from_scratch(train_set: Split, classes: int, steps: int, seed: int) -> nn.Sequential:
    """A backbone of random weights and a head, trained together."""
    backbone = _backbone("none", seed)
    net = nn.Sequential(backbone, Head(HeadShape(backbone.num_features, classes, impl="scratch")))
    _fit(net, train_set, steps, 1e-3, seed)
    return net


class FrozenBatchNorm(nn.Module):
    """A backbone that learns while its BatchNorm keeps the statistics of the pretraining: few images give poor ones."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def train(self, mode: bool = True) -> "FrozenBatchNorm":
        super().train(mode)
        for layer in self.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        return self.backbone(x)


def _fit(net: nn.Module, data: Split, steps: int, rate: float, seed: int) -> None:
    """Train for about `steps` minibatches: as many whole epochs as come closest."""
    epochs = max(1, round(steps * BATCH / max(len(data.y), BATCH)))
    train(net, Adam(net.parameters(), lr=rate), data.x, data.y, epochs, seed, BATCH)


def _train_head(backbone: nn.Module, data: Split, steps: int, seed: int) -> Head:
    """A new head on the backbone's features of `data`, computed once."""
    x = _features(backbone, data.x)
    torch.manual_seed(seed)
    head = Head(HeadShape(x.shape[1], int(data.y.max()) + 1, impl="scratch"))
    head.standardise.set(x.mean(0), x.std(0))
    _fit(head, Split(x, data.y), steps, 1e-3, seed)
    return head


@torch.inference_mode()
def _features(backbone: nn.Module, x: Tensor) -> Tensor:
    backbone.eval()
    return torch.cat([backbone(images) for images in x.split(64)]).clone()


def _head_accuracy(backbone: nn.Module, head: nn.Module, test: Split) -> float:
    return accuracy(head, _features(backbone, test.x), test.y)


def _net_accuracy(net: nn.Module, test: Split) -> float:
    """The accuracy of a whole network, 64 images at a time."""
    right = [accuracy(net, x, y) * len(y) for x, y in zip(test.x.split(64), test.y.split(64), strict=True)]
    return sum(right) / len(test.y)


def _compare_backbones(tasks: dict[str, Any], similar: Split, steps: dict[str, int], seed: int) -> list[dict[str, Any]]:
    """Backbones trained on fractals, on the digits 0 to 4, and on nothing, with a new head for each task."""
    backbones = {
        "fractals": _backbone("pretrained", seed),
        "digits 0-4": _train_from_scratch(similar, 5, steps["scratch"], seed)[0],
        "nothing": _backbone("none", seed),
    }
    rows = []
    for task, (train_set, test) in tasks.items():
        few = train_set.sample(FEW_LABELS, seed)
        for name, backbone in backbones.items():
            score = _head_accuracy(backbone, _train_head(backbone, few, steps["head"], seed), test)
            rows.append({"part": "choice", "task": task, "trained on": name, "seed": seed, "accuracy": score})
    return rows


def _far_task(folder: str | None) -> tuple[Split, Split]:
    """Train and test images of a folder; without one, patches, whose class is the quarter of the photograph they are from."""
    if folder is not None:
        return _read_folder(Path(folder))
    pixels, classes = [], []
    for n, name in enumerate(("china.jpg", "flower.jpg")):
        image = photograph(448, name)
        grid = image.unfold(1, SIDE, SIDE).unfold(2, SIDE, SIDE)  # (3, 14, 14, 32, 32), none overlaps another
        rows, columns = grid.shape[1:3]
        for r in range(rows):
            for c in range(columns):
                pixels.append(grid[:, r, c])
                classes.append(n * 4 + 2 * (r * 2 // rows) + c * 2 // columns)
    x, y = (torch.stack(pixels) - 0.5) / 0.25, torch.tensor(classes)
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(0))
    half, patches = len(y) // 2, Split(x, y)
    return patches[order[:half]], patches[order[half:]]


def _read_folder(root: Path) -> tuple[Split, Split]:
    manifest = load_manifest(DataConfig(root), 2, quiet)
    preprocessing = Preprocessing(**build("embedded", "none", size=SIDE)[0].preprocessing)
    splits = []
    for split in ("train", "test"):
        samples = manifest.split(split)
        pixels = torch.stack([preprocessing(read_image(sample)[1]) for sample in samples])
        splits.append(Split(preprocessing.normalise(pixels), torch.tensor(manifest.targets(samples))))
    return splits[0], splits[1]


def _checks(rows: Table, labels: list[int]) -> list[Check]:
    few, last = min(labels, key=lambda count: abs(count - FEW_LABELS) if count else 10**6), labels[-1]
    ahead = rows.mean("accuracy", labels=few, mode="frozen") - rows.mean("accuracy", labels=few, mode="scratch")
    scratch, frozen, tuned = (rows.mean("accuracy", labels=last, mode=mode) for mode in ("scratch", "frozen", "fine-tuned"))
    gains = [_advantage(rows, "near", seed) - _advantage(rows, "far", seed) for seed in sorted(set(rows.column("seed")))]
    return [
        Check("ahead", ahead, 0.05, explanation="few_labels", values={"labels": few}),
        Check("caught_up" if last else "caught_up_all", scratch - frozen, -0.03, values={"labels": last}),
        Check("tuned" if last else "tuned_all", tuned - frozen, -0.005, values={"labels": last}),
        Check("similar", standard_errors(gains), 2, explanation="similar_not_better"),
    ]


def _advantage(rows: Table, task: str, seed: int) -> float:
    """By how much the backbone of the similar problem is better than the one trained on fractals."""
    similar, fractals = (
        rows.mean("accuracy", task=task, seed=seed, **{"trained on": name}) for name in ("digits 0-4", "fractals")
    )
    return similar - fractals


def draw(findings: Findings, texts: Texts) -> Slide:
    """Left: accuracy by labels. Right: the three backbones, near and far."""
    figure, (left, right) = slide(findings, texts, "ab", width_ratios=[1.5, 1])
    _draw_by_labels(left, findings.rows, findings.data["labels"], texts)
    _draw_backbones(right, findings.rows, texts)
    return figure


def _draw_by_labels(axes: Axes, rows: Table, labels: list[int], texts: Texts) -> None:
    ways = (("scratch", "scratch", BLACK, "o"), ("frozen", "frozen", BLUE, "s"), ("fine-tuned", "fine_tuned", ORANGE, "^"))
    for mode, key, color, marker in ways:
        values = [rows.column("accuracy", labels=count, mode=mode) for count in labels]
        curve(axes, range(len(labels)), values, color=color, marker=marker, label=texts(key))
    axes.set_xticks(range(len(labels)), [str(count) if count else texts("all_labels") for count in labels])
    axes.set_xlabel(texts("labels"))
    axes.set_ylabel(texts("test_accuracy"))
    axes.legend(loc="lower right")


def _draw_backbones(axes: Axes, rows: Table, texts: Texts) -> None:
    backbones = (("fractals", "fractals", BLUE), ("digits 0-4", "digits", GREEN), ("nothing", "nothing", BLACK))
    for n, (name, key, color) in enumerate(backbones):
        for m, task in enumerate(("near", "far")):
            values, x = rows.column("accuracy", task=task, **{"trained on": name}), m + 0.27 * (n - 1)
            axes.bar(x, sum(values) / len(values), 0.25, color=color, label=texts(key) if m == 0 else None)
            axes.plot([x] * len(values), values, ".", color="0.6", markersize=8)
    axes.set_xticks([0, 1], [texts("near"), texts("far")])
    axes.set_ylim(0, 1.18)
    axes.legend(title=texts("trained_on"), ncols=3, loc="upper center", columnspacing=0.8, handlelength=1)
