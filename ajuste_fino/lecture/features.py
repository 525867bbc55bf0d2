"""What each layer of a trained CNN knows: of the task it was trained for, and of another one.

The band. On the fractals that the embedded backbone was trained on, in new scenes, a linear probe should do better at
each deeper layer: rank correlation of depth and accuracy at least 0.85 over the five layers (0.9 if one pair of neighbours is
swapped). On handwritten digits, of which it never saw one, the best layer should come earlier: at least one layer.

Each layer's map is averaged over a 4 × 4 grid, as heads read it; the probe is logistic regression at one regularisation.

Sources: Yosinski, Clune, Bengio and Lipson, "How transferable are features in deep neural networks?", NeurIPS 2014; Alain
and Bengio, "Understanding intermediate layers using linear classifier probes", 2016.
"""

import torch
from torch import Tensor

from ajuste_fino.backbone import Backbone, build
from ajuste_fino.lecture.data import Split
from ajuste_fino.lecture.findings import Check, Findings, Table
from ajuste_fino.lecture.fractals import render_masks, scenes
from ajuste_fino.lecture.frozen import Features, embedded, standardise
from ajuste_fino.lecture.settings import Limit
from ajuste_fino.lecture.slide import Slide, curve, show_image, slide
from ajuste_fino.lecture.stats import rank_correlation
from ajuste_fino.lecture.text import Texts
from ajuste_fino.report.plots import BLUE, ORANGE

FORMULAS = (r"p(y\,|\,x)=\mathrm{softmax}(V\,z_n(x)+c)",)
LIMITS = {"systems": Limit(2, 256), "tests": Limit(20, 10_000)}
USES = ("backbone.embedded", "features.CachedFeatures", "lecture.fractals", "sklearn.linear_model.LogisticRegression")
LAYERS = ("stem", "block1", "block2", "block3", "block4")
GRID = 4
INVERSE_STRENGTH = 1e-3  # of the regularisation: scikit-learn's C
RENDERED = 48  # variants of each system, as in the training of the weights


def measure(*, systems: int, labels: int, tests: int, seeds: int) -> Findings:
    """Accuracy of a linear probe at each layer, on fractals and on digits.

    Args:
        systems: of the 256 classes of fractals that the backbone was trained on.
        labels: training images of each class, in both tasks.
        tests: images of fractals that the probe is judged on.
        seeds: drawn sets of training images.
    """
    backbones = {layer: build("embedded", layer=f"features.{layer}", pool=GRID)[0].eval() for layer in LAYERS}
    tasks = {"fractals": _fractals(backbones, systems, labels * seeds, tests), "digits": _digits()}
    rows = Table(
        {"task": task, "layer": layer, "seed": seed, "accuracy": _probe(data, labels, seed)}
        for task, layers in tasks.items()
        for layer, data in layers.items()
        for seed in range(seeds)
    )
    best = max(LAYERS, key=lambda layer: rows.mean("accuracy", task="digits", layer=layer))
    shown = tasks["digits"][best].val
    data = {"filters": _filters(backbones["stem"]), "pca": _pca(shown.x), "classes": shown.y, "best": best}
    return Findings(_checks(rows), rows, data)


def _digits() -> dict[str, Features]:
    return {layer: embedded(f"features.{layer}", GRID) for layer in LAYERS}


@torch.inference_mode()
def _fractals(backbones: dict[str, Backbone], systems: int, of_each: int, tests: int) -> dict[str, Features]:
    """New scenes of the first systems that the weights were trained on; one fractal in each, its system the class.

    The fractals are the training's own renderings; place, size, colour and background of each scene are new.
    """
    pool = render_masks(systems, RENDERED, 64, torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(2**40)  # no batch of the training had this one
    images, labels = scenes(pool, systems * of_each * 2 + tests, 64, generator, most=1)
    y = labels.argmax(1)
    found = {}
    for layer, backbone in backbones.items():
        x = torch.cat([backbone((part - 0.5) / 0.25) for part in images.split(64)])
        found[layer] = Features(Split(x[tests:], y[tests:]), Split(x[:tests], y[:tests]), Split(x[:0], y[:0]))
    return found


def _probe(data: Features, labels: int, seed: int) -> float:
    """Validation accuracy of logistic regression on `labels` images of each class."""
    from sklearn.linear_model import LogisticRegression

    train = data.train.sample(labels, seed)
    scaled = standardise(train.x)
    probe = LogisticRegression(C=INVERSE_STRENGTH, max_iter=500).fit(scaled(train.x).numpy(), train.y.numpy())
    return float(probe.score(scaled(data.val.x).numpy(), data.val.y.numpy()))


def _filters(backbone: Backbone) -> Tensor:
    """The first layer's masks, (32, 3, 3, 3), each stretched to [0, 1]."""
    masks = next(layer.weight for layer in backbone.modules() if isinstance(layer, torch.nn.Conv2d)).detach()
    low, high = masks.amin((1, 2, 3), keepdim=True), masks.amax((1, 2, 3), keepdim=True)
    return (masks - low) / (high - low)


def _pca(x: Tensor) -> Tensor:
    """(N, D) → (N, 2): the two directions of the largest variance."""
    u, s, _ = torch.linalg.svd(standardise(x)(x), full_matrices=False)
    return u[:, :2] * s[:2]


def _checks(rows: Table) -> list[Check]:
    curves = {task: [rows.mean("accuracy", task=task, layer=layer) for layer in LAYERS] for task in ("fractals", "digits")}
    rank = rank_correlation(range(len(LAYERS)), curves["fractals"])
    best = {task: curve.index(max(curve)) for task, curve in curves.items()}
    return [
        Check("rank", rank, 0.85, 1),
        Check("earlier", best["fractals"] - best["digits"], 1),
    ]


def draw(findings: Findings, texts: Texts) -> Slide:
    """Left: accuracy by layer. Right: the first filters; the validation digits by two components of the best layer."""
    figure, (by_layer, filters, pca) = slide(findings, texts, "ab;ac", width_ratios=[1.35, 1], height_ratios=[1, 1.6])
    for task, color, marker in (("fractals", BLUE, "o"), ("digits", ORANGE, "s")):
        values = [findings.rows.column("accuracy", task=task, layer=layer) for layer in LAYERS]
        curve(by_layer, LAYERS, values, color=color, marker=marker, label=texts(task))
    by_layer.set_xlabel(texts("layer"))
    by_layer.set_ylabel(texts("accuracy"))
    by_layer.legend(loc="lower right")
    masks = torch.nn.functional.pad(findings.data["filters"], (1, 1, 1, 1), value=1.0)
    grid = torch.cat([torch.cat(list(row), 2) for row in masks.split(8)], 1)
    show_image(filters, grid, texts("filters"))
    x, y = findings.data["pca"].T
    for digit in range(10):
        here = findings.data["classes"] == digit
        pca.scatter(x[here], y[here], s=45, marker=f"${digit}$", color=f"C{digit}")
    pca.set_title(texts("pca", layer=findings.data["best"]), fontsize=13)
    pca.set_xticks([])
    pca.set_yticks([])
    return figure
