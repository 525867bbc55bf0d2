"""Dropout as bagging of subnetworks: an identity for softmax regression, an approximation for the rest.

The bands. For softmax regression the rule of weight scaling is the normalised geometric mean over all 2ᵈ masks, by algebra:
to 10⁻¹⁰ in float64. In a network with a hidden layer it is not: over all masks of its inputs more than 10⁻⁶ apart. Yet in a
trained one, over sampled masks, both should name the same class for at least 95 % of the images, and so should the vote of
the sampled masks. E_μ J falls to less than half. With few examples dropout should raise the test accuracy, by two standard
errors of the seeds' paired differences. The mean of sampled predictions (MC dropout), of which the lecture says nothing,
should have no larger test loss than weight scaling: at most 1.05 times.

Source: Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 7.12; Srivastava et al., JMLR 15, 2014; Gal and
Ghahramani, "Dropout as a Bayesian Approximation", ICML 2016.
"""

import itertools
from statistics import fmean
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import nll_loss

from ajuste_fino.lecture.data import Split
from ajuste_fino.lecture.findings import Check, Findings, Table
from ajuste_fino.lecture.frozen import Features, features, standardised
from ajuste_fino.lecture.settings import Limit
from ajuste_fino.lecture.slide import Slide, curve, integer_ticks, slide
from ajuste_fino.lecture.stats import standard_errors
from ajuste_fino.lecture.text import Texts
from ajuste_fino.lecture.training import accuracy, agreement, train
from ajuste_fino.report.plots import BLACK, BLUE, GREEN, ORANGE
from ajuste_fino.scratch import nn
from ajuste_fino.scratch.functional import cross_entropy
from ajuste_fino.scratch.optim import Adam

FORMULAS = (
    r"\tilde{p}(y\,|\,x)=\frac{1}{Z}\left(\prod_{\mu}p(y\,|\,x,\mu)\right)^{1/2^d}",
    r"\min_w\;\mathbb{E}_{\mu}\,J(w,\mu)",
)
LIMITS = {"inputs": Limit(1, 14), "epochs": Limit(2, 10_000), "seeds": Limit(2, 1000)}
USES = (
    "scratch.nn.WeightScaledDropout",
    "scratch.nn.Linear",
    "scratch.nn.ReLU",
    "scratch.optim.Adam",
    "features.CachedFeatures",
)


def measure(
    *, inputs: int, hidden: int, labels: int, epochs: int, masks: int, seeds: int, data: dict[str, str | None]
) -> Findings:
    """Check the identity; train a network with dropout and one without, on the cached features of few images.

    Args:
        inputs: d of the softmax regression, with 2ᵈ masks.
        hidden: units of the network's hidden layer.
        labels: training images of each class.
        epochs: of the training, in minibatches of 64.
        masks: sampled of the deep network.
        seeds: drawn regressions; training sets and networks.
        data: `root`, where the images are whose features are learnt; null: the digits.
    """
    images = standardised(features(data["root"]))
    identity, deep = (max(_scaling_error(inputs, layers, seed) for seed in range(seeds)) for layers in (1, 2))
    runs = [_train_both(images, hidden, labels, epochs, masks, seed) for seed in range(seeds)]
    rows = Table({"seed": seed, **{k: v for k, v in run.items() if k != "objective"}} for seed, run in enumerate(runs))
    objective = torch.tensor([run["objective"] for run in runs])
    drawn = {"objective": objective, "identity": identity}
    return Findings(_checks(identity, deep, rows, objective), rows, drawn, images.can_be_judged)


def _scaling_error(d: int, layers: int, seed: int) -> float:
    """The largest difference between weight scaling and the geometric mean over all 2ᵈ masks of the inputs, in float64.

    One layer is softmax regression; two have a hidden layer of ReLU between.
    """
    generator = torch.Generator().manual_seed(seed)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    x, weights = drawn(7, d), [drawn(16, d), drawn(5, 16)] if layers == 2 else [drawn(5, d)]

    def log_p(inputs: Tensor) -> Tensor:
        hidden = (inputs @ weights[0].mT).relu() if layers == 2 else inputs
        return (hidden @ weights[-1].mT).log_softmax(-1)

    masks = torch.tensor(list(itertools.product((0.0, 1.0), repeat=d)), dtype=torch.float64)
    geometric = log_p(x * masks[:, None]).mean(0).softmax(1)  # the softmax divides by Z
    return float((geometric - log_p(x / 2).softmax(1)).abs().max())


def _net(inputs: int, hidden: int, classes: int, dropped: bool) -> torch.nn.Sequential:
    """Input units are kept with 0.8, hidden units with 0.5."""
    at_input, inside = (0.2, 0.5) if dropped else (0.0, 0.0)
    drop = nn.WeightScaledDropout
    return torch.nn.Sequential(drop(at_input), nn.Linear(inputs, hidden), nn.ReLU(), drop(inside), nn.Linear(hidden, classes))


def _train_both(images: Features, hidden: int, labels: int, epochs: int, masks: int, seed: int) -> dict[str, Any]:
    """Train with dropout and without; the test accuracies, and the objective after each epoch."""
    train_set, test = images.train.sample(labels, seed), images.test
    objective: list[float] = []
    nets = {}
    for name in ("with", "without"):
        torch.manual_seed(seed)
        net = nets[name] = _net(images.num_features, hidden, images.classes, name == "with")
        watch = (lambda _: objective.append(_objective(nets["with"], train_set))) if name == "with" else None
        train(net, Adam(net.parameters(), lr=1e-3), train_set.x, train_set.y, epochs, seed, watch=watch)
    found = {f"accuracy {name}": accuracy(net, test.x, test.y) for name, net in nets.items()}
    return {**found, **_subnetworks(nets["with"], test, masks), "objective": objective}


@torch.inference_mode()
def _objective(net: torch.nn.Sequential, data: Split, draws: int = 5) -> float:
    """E_μ J(w, μ) over some masks."""
    net.train()
    return sum(float(cross_entropy(net(data.x), data.y)) for _ in range(draws)) / draws


@torch.inference_mode()
def _subnetworks(net: torch.nn.Sequential, test: Split, masks: int) -> dict[str, float]:
    """Vote, geometric and arithmetic mean of sampled subnetworks, and weight scaling."""
    net.train()
    log_p = torch.stack([net(test.x).log_softmax(1) for _ in range(masks)])  # (masks, N, C)
    geometric = log_p.mean(0).log_softmax(1)
    votes = torch.nn.functional.one_hot(log_p.argmax(2), log_p.shape[2]).sum(0).argmax(1)
    sampled = log_p.logsumexp(0) - torch.tensor(float(masks)).log()
    scaled = net.eval()(test.x).log_softmax(1)
    return {
        "scaling and geometric mean: same class": agreement(scaled.argmax(1), geometric.argmax(1)),
        "vote and geometric mean: same class": agreement(votes, geometric.argmax(1)),
        "accuracy scaling": agreement(scaled.argmax(1), test.y),
        "accuracy vote": agreement(votes, test.y),
        "accuracy MC dropout": agreement(sampled.argmax(1), test.y),
        "loss scaling": float(nll_loss(scaled, test.y)),
        "loss MC dropout": float(nll_loss(sampled, test.y)),
    }


def _checks(identity: float, deep: float, rows: Table, objective: Tensor) -> list[Check]:
    gain = standard_errors([row["accuracy with"] - row["accuracy without"] for row in rows])
    fall = float((objective[:, -1] / objective[:, 0]).mean())
    sampled = rows.mean("loss MC dropout") / rows.mean("loss scaling")
    agree, vote = (rows.mean(f"{name} and geometric mean: same class") for name in ("scaling", "vote"))
    return [
        Check("identity", identity, 0, 1e-10, identity=True),
        Check("deep", deep, 1e-6, 1),
        Check("scaling_agrees", agree, 0.95, 1),
        Check("vote_agrees", vote, 0.95, 1),
        Check("fall", fall, 0, 0.5),
        Check("gain", gain, 2, explanation="no_gain"),
        Check("sampled", sampled, 0, 1.05, explanation="unsure", informational=True),
    ]


def draw(findings: Findings, texts: Texts) -> Slide:
    """Left: the objective. Right: test accuracies of the ways to predict."""
    figure, (left, right) = slide(findings, texts, "ab", width_ratios=[1, 1.15])
    objective = findings.data["objective"]
    curve(left, range(1, objective.shape[1] + 1), objective.mT, color=BLUE)
    integer_ticks(left)
    left.set_yscale("log")
    left.set_xlabel(texts("epoch"))
    left.set_ylabel(texts("objective"))
    ways = (("without", "without", BLACK), ("scaling", "scaling", BLUE), ("vote", "vote", ORANGE), ("MC dropout", "mc", GREEN))
    for n, (way, _, color) in enumerate(ways):
        values = findings.rows.column(f"accuracy {way}")
        right.plot([n] * len(values), values, "o", color=color, alpha=0.5, markersize=10)
        right.plot([n - 0.25, n + 0.25], [fmean(values)] * 2, color=color, linewidth=4)
    right.set_xticks(range(len(ways)), [texts(key) for _, key, _ in ways])
    right.set_ylabel(texts("accuracies"))
    right.set_title(texts("identity_title", error=findings.data["identity"]))
    return figure
