"""From scratch, frozen with a new head, or fine-tuned: accuracy by the labels there are; and which backbone to choose.

The bands. With five labels a class the frozen backbone should be ahead of training from scratch by at least 0.05. With all
labels training from scratch should have caught up to within 0.03, and fine-tuning should not lose: at least the frozen
accuracy less 0.005. The recipe says to choose a network trained on a similar problem: one trained on the digits 0 to 4
should be worth more, compared with the one trained on fractals, on the digits 5 to 9 (near) than on photographs (far), by
two standard errors (s.e.) over the seeds.

All three ways see the same pictures of 32 px through the same architecture, the embedded one up to its third block. Near
and far are judged by new heads on frozen features, five labels a class.

Sources: the lecture's recipe; Yosinski, Clune, Bengio and Lipson, NeurIPS 2014; Kornblith, Shlens and Le, "Do Better
ImageNet Models Transfer Better?", CVPR 2019.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ajuste_fino.backbone import Backbone, build
from ajuste_fino.data.config import DataConfig
from ajuste_fino.data.images import read_image
from ajuste_fino.data.manifest import load_manifest
from ajuste_fino.data.transforms import Preprocessing
from ajuste_fino.head import Head, HeadShape
from ajuste_fino.lecture.data import digits
from ajuste_fino.lecture.findings import Check, Findings, Limit, Text, mean, words
from ajuste_fino.lecture.frozen import Rows, quiet
from ajuste_fino.lecture.photo import photograph
from ajuste_fino.lecture.slide import MARKERS, Slide, slide
from ajuste_fino.lecture.training import accuracy, train
from ajuste_fino.report.plots import BLACK, BLUE, GREEN, ORANGE
from ajuste_fino.scratch.optim import Adam

TITLE = Text(
    "With few labels a frozen, pretrained CNN with a new head beats training from scratch",
    "Con pocas etiquetas una CNN preentrenada, congelada y con cabeza nueva vence a entrenar desde cero",
)
FORMULAS = (r"\min_{V}\;J(V,\,\bar{w})\;\rightarrow\;\min_{V,w}\;J(V,w)",)
LIMITS = {"seeds": Limit(2, 1000)}
USES = ("backbone.embedded", "head.Head", "scratch.nn.Linear", "scratch.nn.Dropout", "scratch.optim.Adam")
SIDE = 32  # px
BATCH = 32
FEW = 5  # labels a class, near and far
MODES = ("scratch", "frozen", "fine-tuned")


def measure(
    *, labels: list[int], scratch_steps: int, tuning_steps: int, head_steps: int, seeds: int, far: str | None
) -> Findings:
    """Test accuracy on the digits by way and labels; of three backbones near and far.

    Args:
        labels: pictures of each class, rising; 0 at the end: all.
        scratch_steps: minibatches of 32 pictures from random weights.
        tuning_steps: minibatches of fine-tuning, after the head was trained.
        head_steps: minibatches of a head on frozen features.
        seeds: drawn training sets and first weights.
        far: a folder of images as `data.root` takes it; null: patches of two photographs.
    """
    steps = {"scratch": scratch_steps, "tuning": tuning_steps, "head": head_steps}
    train_part, _, test_part = digits()
    near = tuple(Rows(_images(part.x), part.y) for part in (train_part, test_part))
    rows = [
        {"part": "labels", "labels": count, "seed": seed, "mode": mode, "accuracy": score}
        for seed in range(seeds)
        for count in labels
        for mode, score in _ways(near[0].of_each(count, seed), near[1], steps, seed).items()
    ]
    tasks = {"near": tuple(_of_classes(part, range(5, 10)) for part in near), "far": _far(far)}
    rows += [row for seed in range(seeds) for row in _choices(tasks, _of_classes(near[0], range(5)), steps, seed)]
    return Findings(_checks(rows, labels), rows, {"labels": labels})


def _images(x: Tensor) -> Tensor:
    """(N, 1, 8, 8) → (N, 3, 32, 32), normalised as the backbone expects."""
    low, high = x.amin(), x.amax()
    large = interpolate((x - low) / (high - low), (SIDE, SIDE), mode="bilinear")
    return (large.expand(-1, 3, -1, -1) - 0.5) / 0.25


def _of_classes(part: Rows, classes: range) -> Rows:
    here = (part.y >= classes.start) & (part.y < classes.stop)
    return Rows(part.x[here], part.y[here] - classes.start)


def _body(weights: str, seed: int) -> Backbone:
    torch.manual_seed(seed)
    return build("embedded", weights, size=SIDE)[0].eval()


def _ways(train_set: Rows, test: Rows, steps: dict[str, int], seed: int) -> dict[str, float]:
    body = _body("pretrained", seed)
    head = _head(body, train_set, steps["head"], seed)
    found = {"frozen": _score(body, head, test)}
    tuned = nn.Sequential(Held(body), head)
    _fit(tuned, train_set, steps["tuning"], 1e-4, seed)
    fresh = _from_scratch(train_set, 10, steps["scratch"], seed)
    return {"scratch": _whole(fresh, test), **found, "fine-tuned": _whole(tuned, test)}


def _from_scratch(train_set: Rows, classes: int, steps: int, seed: int) -> nn.Sequential:
    body = _body("none", seed)
    net = nn.Sequential(body, Head(HeadShape(body.num_features, classes, impl="scratch")))
    _fit(net, train_set, steps, 1e-3, seed)
    return net


class Held(nn.Module):
    """A body that learns while its BatchNorm keeps the statistics of its pretraining: few pictures have poor ones."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def train(self, mode: bool = True) -> "Held":
        super().train(mode)
        for layer in self.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


def _fit(net: nn.Module, data: Rows, steps: int, rate: float, seed: int) -> None:
    """So many minibatches, rounded to whole epochs."""
    epochs = max(1, round(steps * BATCH / max(len(data.y), BATCH)))
    train(net, Adam(net.parameters(), lr=rate), data.x, data.y, epochs, seed, BATCH)


def _head(body: nn.Module, data: Rows, steps: int, seed: int) -> Head:
    """A new head on the body's features of `data`, computed once."""
    x = _features(body, data.x)
    torch.manual_seed(seed)
    head = Head(HeadShape(x.shape[1], int(data.y.max()) + 1, impl="scratch"))
    head.standardise.set(x.mean(0), x.std(0))
    _fit(head, Rows(x, data.y), steps, 1e-3, seed)
    return head


@torch.inference_mode()
def _features(body: nn.Module, x: Tensor) -> Tensor:
    body.eval()
    return torch.cat([body(part) for part in x.split(64)]).clone()


def _score(body: nn.Module, head: nn.Module, test: Rows) -> float:
    return accuracy(head, _features(body, test.x), test.y)


def _whole(net: nn.Module, test: Rows) -> float:
    """Of a whole network, some pictures at a time."""
    right = [accuracy(net, x, y) * len(y) for x, y in zip(test.x.split(64), test.y.split(64), strict=True)]
    return sum(right) / len(test.y)


def _choices(tasks: dict[str, Any], similar: Rows, steps: dict[str, int], seed: int) -> list[dict[str, Any]]:
    """Backbones trained on fractals, on the digits 0 to 4, and on nothing, with a new head for each task."""
    bodies = {
        "fractals": _body("pretrained", seed),
        "digits 0-4": _from_scratch(similar, 5, steps["scratch"], seed)[0],
        "nothing": _body("none", seed),
    }
    rows = []
    for task, (train_set, test) in tasks.items():
        few = train_set.of_each(FEW, seed)
        for name, body in bodies.items():
            score = _score(body, _head(body, few, steps["head"], seed), test)
            rows.append({"part": "choice", "task": task, "trained on": name, "seed": seed, "accuracy": score})
    return rows


def _far(folder: str | None) -> tuple[Rows, Rows]:
    """Train and test pictures of a folder; or of patches: from which quarter of which of two photographs is it?"""
    if folder is not None:
        return _folder(Path(folder))
    pixels, classes = [], []
    for n, name in enumerate(("china.jpg", "flower.jpg")):
        image = photograph(448, name)
        patches = image.unfold(1, SIDE, SIDE).unfold(2, SIDE, SIDE)  # (3, 14, 14, 32, 32), none overlaps another
        rows, columns = patches.shape[1:3]
        for r in range(rows):
            for c in range(columns):
                pixels.append(patches[:, r, c])
                classes.append(n * 4 + 2 * (r * 2 // rows) + c * 2 // columns)
    x, y = (torch.stack(pixels) - 0.5) / 0.25, torch.tensor(classes)
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(0))
    half = len(y) // 2
    return Rows(x[order[:half]], y[order[:half]]), Rows(x[order[half:]], y[order[half:]])


def _folder(root: Path) -> tuple[Rows, Rows]:
    manifest = load_manifest(DataConfig(root), 2, quiet)
    preprocessing = Preprocessing(**build("embedded", "none", size=SIDE)[0].preprocessing)
    parts = []
    for split in ("train", "test"):
        samples = manifest.split(split)
        pixels = torch.stack([preprocessing(read_image(sample)[1]) for sample in samples])
        parts.append(Rows(preprocessing.normalise(pixels), torch.tensor(manifest.targets(samples))))
    return parts[0], parts[1]


def _values(rows: list[dict[str, Any]], **where: Any) -> list[float]:
    return [row["accuracy"] for row in rows if all(row.get(key) == value for key, value in where.items())]


def _checks(rows: list[dict[str, Any]], labels: list[int]) -> list[Check]:
    few = min(labels, key=lambda count: abs(count - FEW) if count else 10**6)
    ahead = mean(rows, "accuracy", labels=few, mode="frozen") - mean(rows, "accuracy", labels=few, mode="scratch")
    last = {mode: mean(rows, "accuracy", labels=labels[-1], mode=mode) for mode in MODES}
    seeds = sorted({row["seed"] for row in rows})
    worth = torch.tensor([_worth(rows, "near", seed) - _worth(rows, "far", seed) for seed in seeds], dtype=torch.float64)
    count = Text("all", "todas las") if labels[-1] == 0 else Text(str(labels[-1]), str(labels[-1]))
    said = {
        "ahead": Text(f"{few} labels a class: frozen minus scratch", f"{few} etiquetas por clase: congelada menos desde cero"),
        "caught": Text(f"{count.en} labels: scratch minus frozen", f"{count.es} etiquetas: desde cero menos congelada"),
        "tuned": Text(f"{count.en} labels: fine-tuned minus frozen", f"{count.es} etiquetas: ajuste fino menos congelada"),
        "worth": Text(
            "similar problem over fractals, near minus far, s.e.", "problema similar sobre fractales, cerca menos lejos, e.e."
        ),
    }
    return [
        Check(said["ahead"], ahead, 0.05, otherwise=FEW_LABELS),
        Check(said["caught"], last["scratch"] - last["frozen"], -0.03),
        Check(said["tuned"], last["fine-tuned"] - last["frozen"], -0.005),
        Check(said["worth"], float(worth.mean() / (worth.std() / len(worth) ** 0.5)), 2, otherwise=CHOICE),
    ]


def _worth(rows: list[dict[str, Any]], task: str, seed: int) -> float:
    """By how much the backbone of the similar problem is better than the one trained on fractals."""
    similar, fractals = (
        mean(rows, "accuracy", task=task, seed=seed, **{"trained on": name}) for name in ("digits 0-4", "fractals")
    )
    return similar - fractals


FEW_LABELS = Text(
    "From the same few pictures the network of random weights learnt as much. Digits of 8 × 8 pixels may be too "
    "easy to need more.",
    "Con las mismas pocas imágenes la red de pesos al azar aprendió lo mismo. Los dígitos de 8 × 8 píxeles quizá no piden más.",
)
CHOICE = Text(
    "The backbone of the similar problem was worth less near than far: it had met five shapes only, and the frozen backbone of "
    "random weights (the black bars) came close to both. What is similar to the eye need not have the more useful features.",
    "La red del problema similar valió menos cerca que lejos: solo había visto cinco formas, y la red congelada de pesos al "
    "azar (barras negras) se acercó a ambas. Lo que se parece a la vista no tiene por qué dar las características más útiles.",
)


def draw(findings: Findings, lang: str = "en") -> Slide:
    """Left: accuracy by labels. Right: the three backbones, near and far."""
    say, rows, labels = words(lang), list(findings.rows), findings.data["labels"]
    figure, (left, right) = slide(TITLE, lang, "ab", width_ratios=[1.5, 1])
    names = {
        "scratch": say("from scratch", "desde cero"),
        "frozen": say("frozen, new head", "congelada, cabeza nueva"),
        "fine-tuned": say("fine-tuned", "ajuste fino"),
    }
    for (mode, label), color, marker in zip(names.items(), (BLACK, BLUE, ORANGE), MARKERS, strict=False):
        groups = [_values(rows, labels=count, mode=mode) for count in labels]
        left.plot(range(len(labels)), [sum(v) / len(v) for v in groups], marker + "-", color=color, label=label)
        left.fill_between(range(len(labels)), [min(v) for v in groups], [max(v) for v in groups], color=color, alpha=0.2)
    left.set_xticks(range(len(labels)), [str(count) if count else say("all", "todas") for count in labels])
    left.set_xlabel(say("labelled pictures of each class", "fotos etiquetadas de cada clase"))
    left.set_ylabel(say("test accuracy", "exactitud de prueba"))
    left.legend(loc="lower right")
    trained = {
        "fractals": say("fractals", "fractales"),
        "digits 0-4": say("digits 0–4", "dígitos 0–4"),
        "nothing": say("nothing", "nada"),
    }
    for n, ((name, label), color) in enumerate(zip(trained.items(), (BLUE, GREEN, BLACK), strict=True)):
        for m, task in enumerate(("near", "far")):
            values = _values(rows, task=task, **{"trained on": name})
            right.bar(m + 0.27 * (n - 1), sum(values) / len(values), 0.25, color=color, label=label if m == 0 else None)
            right.plot([m + 0.27 * (n - 1)] * len(values), values, ".", color="0.6", markersize=8)
    right.set_xticks([0, 1], [say("near:\ndigits 5–9", "cerca:\ndígitos 5–9"), say("far:\nphotographs", "lejos:\nfotografías")])
    right.set_ylim(0, 1.18)
    right.legend(
        title=say("backbone trained on", "red entrenada con"), ncols=3, loc="upper center", columnspacing=0.8, handlelength=1
    )
    return figure
