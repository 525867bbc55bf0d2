"""Dropout as bagging of subnetworks: an identity for softmax regression, an approximation for the rest.

The bands. For softmax regression the rule of weight scaling is the normalised geometric mean over all 2ᵈ masks, by algebra:
to 10⁻¹⁰ in float64. In a network with a hidden layer it is not: over all masks of its inputs more than 10⁻⁶ apart. Yet in a
trained one, over sampled masks, both should name the same class for at least 95 % of the pictures, and so should the vote of
the sampled masks. E_μ J falls to less than half. With few examples dropout should raise the test accuracy, by two standard
errors of the seeds' paired differences. The mean of sampled predictions (MC dropout), of which the lecture says nothing,
should have no larger test loss than weight scaling: at most 1.05 times.

Source: Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 7.12; Srivastava et al., JMLR 15, 2014; Gal and
Ghahramani, "Dropout as a Bayesian Approximation", ICML 2016.
"""

import itertools
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import nll_loss

from ajuste_fino.lecture.findings import Check, Findings, Limit, Text, mean, words
from ajuste_fino.lecture.frozen import Rows, embedded
from ajuste_fino.lecture.slide import Slide, slide
from ajuste_fino.lecture.training import accuracy, train
from ajuste_fino.report.plots import BLACK, BLUE, GREEN, ORANGE
from ajuste_fino.scratch import nn
from ajuste_fino.scratch.functional import cross_entropy
from ajuste_fino.scratch.optim import Adam

TITLE = Text(
    "Dropout averages all subnetworks: scaling the weights is their geometric mean, exactly for softmax regression",
    "Dropout promedia todas las subredes: escalar los pesos es su media geométrica, exacta en la regresión softmax",
)
FORMULAS = (
    r"\tilde{p}(y\,|\,x)=\frac{1}{Z}\left(\prod_{\mu}p(y\,|\,x,\mu)\right)^{1/2^d}",
    r"\min_w\;\mathbb{E}_{\mu}\,J(w,\mu)",
)
LIMITS = {"inputs": Limit(1, 14), "epochs": Limit(2, 10_000), "seeds": Limit(2, 1000)}
USES = ("scratch.nn.WeightScaledDropout", "scratch.nn.Linear", "scratch.nn.ReLU", "scratch.optim.Adam", "features.Cached")
NOTE = Text(
    "The slides' 0.5 and 0.8 are probabilities of keeping a unit; torch's p is that of dropping it: 0.5 and 0.2. The slides "
    "scale the weights at inference, as here; torch divides by 1 − p in training, which is equal in expectation.",
    "El 0.5 y el 0.8 de las diapositivas son probabilidades de conservar una neurona; la p de torch es la de quitarla: 0.5 y "
    "0.2. Las diapositivas escalan los pesos al inferir, como aquí; torch divide por 1 − p al entrenar, igual en esperanza.",
)
SAID = {
    "identity": Text("softmax regression: scaling minus geometric mean", "regresión softmax: escalar menos media geométrica"),
    "deep": Text(
        "one hidden layer, all masks: the same, approximate", "una capa escondida, todas las máscaras: lo mismo, aproximado"
    ),
    "agree": Text("deep network: same class by both", "red profunda: igual clase por ambos"),
    "vote": Text("vote of sampled masks, geometric mean: same class", "votación de máscaras, media geométrica: igual clase"),
    "fall": Text("E_μ J at the end over that after the first epoch", "E_μ J al final sobre el de la primera época"),
    "gain": Text(
        "test accuracy with dropout minus without, standard errors",
        "exactitud de prueba con menos sin dropout, errores estándar",
    ),
    "sampled": Text("test loss of MC dropout over weight scaling's", "pérdida de prueba de MC dropout sobre la de escalar"),
}


def measure(*, inputs: int, hidden: int, labels: int, epochs: int, masks: int, seeds: int) -> Findings:
    """The identity; a network with dropout trained on few pictures of the digits' cached features, beside one without.

    Args:
        inputs: d of the softmax regression, with 2ᵈ masks.
        hidden: units of the network's hidden layer.
        labels: training pictures of each class.
        epochs: of the training, in minibatches of 64.
        masks: sampled of the deep network.
        seeds: drawn regressions; training sets and networks.
    """
    identity, deep = (max(_gap(inputs, layers, seed) for seed in range(seeds)) for layers in (1, 2))
    runs = [_run(hidden, labels, epochs, masks, seed) for seed in range(seeds)]
    rows = [{"seed": seed, **{k: v for k, v in run.items() if k != "objective"}} for seed, run in enumerate(runs)]
    objective = torch.tensor([run["objective"] for run in runs])
    return Findings(_checks(identity, deep, rows, objective), rows, {"objective": objective, "identity": identity})


def _gap(d: int, layers: int, seed: int) -> float:
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


def _net(inputs: int, hidden: int, dropped: bool) -> torch.nn.Sequential:
    """Input units are kept with 0.8, hidden units with 0.5."""
    at_input, inside = (0.2, 0.5) if dropped else (0.0, 0.0)
    drop = nn.WeightScaledDropout
    return torch.nn.Sequential(drop(at_input), nn.Linear(inputs, hidden), nn.ReLU(), drop(inside), nn.Linear(hidden, 10))


def _run(hidden: int, labels: int, epochs: int, masks: int, seed: int) -> dict[str, Any]:
    data = embedded()
    mean, std = data.train.x.mean(0), data.train.x.std(0).clamp(min=1e-6)
    train_rows, test = (Rows((part.x - mean) / std, part.y) for part in (data.train.of_each(labels, seed), data.test))
    objective: list[float] = []
    nets = {}
    for name in ("with", "without"):
        torch.manual_seed(seed)
        net = nets[name] = _net(data.num_features, hidden, name == "with")
        watch = (lambda _: objective.append(_objective(nets["with"], train_rows))) if name == "with" else None
        train(net, Adam(net.parameters(), lr=1e-3), train_rows.x, train_rows.y, epochs, seed, watch=watch)
    found = {f"accuracy {name}": accuracy(net, test.x, test.y) for name, net in nets.items()}
    return {**found, **_subnetworks(nets["with"], test, masks), "objective": objective}


@torch.inference_mode()
def _objective(net: torch.nn.Sequential, rows: Rows, draws: int = 5) -> float:
    """E_μ J(w, μ) over some masks."""
    net.train()
    return sum(float(cross_entropy(net(rows.x), rows.y)) for _ in range(draws)) / draws


@torch.inference_mode()
def _subnetworks(net: torch.nn.Sequential, test: Rows, masks: int) -> dict[str, float]:
    """Vote, geometric and arithmetic mean of sampled subnetworks, and weight scaling."""
    net.train()
    log_p = torch.stack([net(test.x).log_softmax(1) for _ in range(masks)])  # (masks, N, 10)
    geometric = log_p.mean(0).log_softmax(1)
    votes = torch.nn.functional.one_hot(log_p.argmax(2), 10).sum(0).argmax(1)
    sampled = log_p.logsumexp(0) - torch.tensor(float(masks)).log()
    scaled = net.eval()(test.x).log_softmax(1)
    return {
        "scaling and geometric mean: same class": _same(scaled.argmax(1), geometric.argmax(1)),
        "vote and geometric mean: same class": _same(votes, geometric.argmax(1)),
        "accuracy scaling": _same(scaled.argmax(1), test.y),
        "accuracy vote": _same(votes, test.y),
        "accuracy MC dropout": _same(sampled.argmax(1), test.y),
        "loss scaling": float(nll_loss(scaled, test.y)),
        "loss MC dropout": float(nll_loss(sampled, test.y)),
    }


def _same(a: Tensor, b: Tensor) -> float:
    return float((a == b).float().mean())


def _checks(identity: float, deep: float, rows: list[dict[str, Any]], objective: Tensor) -> list[Check]:
    gains = torch.tensor([row["accuracy with"] - row["accuracy without"] for row in rows], dtype=torch.float64)
    gain = float(gains.mean() / (gains.std() / len(gains) ** 0.5))
    fall = float((objective[:, -1] / objective[:, 0]).mean())
    sampled = mean(rows, "loss MC dropout") / mean(rows, "loss scaling")
    agree, vote = (mean(rows, f"{name} and geometric mean: same class") for name in ("scaling", "vote"))
    return [
        Check(SAID["identity"], identity, 0, 1e-10, identity=True),
        Check(SAID["deep"], deep, 1e-6, 1),
        Check(SAID["agree"], agree, 0.95, 1),
        Check(SAID["vote"], vote, 0.95, 1),
        Check(SAID["fall"], fall, 0, 0.5),
        Check(SAID["gain"], gain, 2, otherwise=NO_GAIN),
        Check(SAID["sampled"], sampled, 0, 1.05, otherwise=UNSURE, beyond=True),
    ]


NO_GAIN = Text(
    "Over these seeds dropout did not raise the accuracy beyond chance. On frozen features there may be little to overfit.",
    "Sobre características congeladas una cabeza de este tamaño casi no sobreajusta: dropout tiene poco que evitar.",
)

UNSURE = Text(
    "Trained on so few pictures, the mean of sampled subnetworks is less sure than weight scaling, where it is right as well.",
    "Entrenada con tan pocas fotos, la media de subredes es menos segura que escalar los pesos, también donde acierta.",
)


def draw(findings: Findings, lang: str = "en") -> Slide:
    """Left: the objective. Right: test accuracies of the ways to predict."""
    say, rows = words(lang), list(findings.rows)
    figure, (left, right) = slide(TITLE, lang, "ab", width_ratios=[1, 1.15])
    objective = findings.data["objective"]
    left.plot(objective.mean(0), color=BLUE)
    left.fill_between(range(objective.shape[1]), objective.amin(0), objective.amax(0), color=BLUE, alpha=0.2)
    left.set_yscale("log")
    left.set_xlabel(say("epoch", "época"))
    left.set_ylabel(say("E_μ J(w, μ), over sampled masks (nats)", "E_μ J(w, μ), sobre máscaras muestreadas (nats)"))
    names = {
        "accuracy without": say("no dropout", "sin dropout"),
        "accuracy scaling": say("weight\nscaling", "pesos\nescalados"),
        "accuracy vote": say("vote of\nmasks", "votación de\nmáscaras"),
        "accuracy MC dropout": "MC\ndropout",
    }
    for n, (name, color) in enumerate(zip(names, (BLACK, BLUE, ORANGE, GREEN), strict=True)):
        values = [row[name] for row in rows]
        right.plot([n] * len(values), values, "o", color=color, alpha=0.5, markersize=10)
        right.plot([n - 0.25, n + 0.25], [mean(rows, name)] * 2, color=color, linewidth=4)
    right.set_xticks(range(len(names)), list(names.values()))
    right.set_ylabel(
        say("test accuracy (a point a seed, and the mean)", "exactitud de prueba (un punto por semilla, y la media)")
    )
    identity = f"{findings.data['identity']:.0e}"
    right.set_title(
        say(f"softmax regression: both means differ by {identity}", f"regresión softmax: ambas medias difieren en {identity}")
    )
    return figure
