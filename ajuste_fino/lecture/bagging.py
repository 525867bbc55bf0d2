"""Bagging an unstable learner, and the bootstrap's first use: how precise is an estimate?

The bands. A decision tree changes with its sample, so 50 of them should at most have 0.6 of one tree's error, and of that
gain nine tenths should be there by half of the trees. The out-of-bag error judges each digit by the 37 % of the trees that
did not see it: within 0.03 of the test error. Vote and averaged probabilities: within 0.02 of each other. A linear head
on frozen features is stable: bagging it should change its error by less than 0.01. Of the 95 % intervals from bootstrapped
test sets, 90 to 98 % should cover the accuracy of the whole population they were drawn from (the percentile interval is known
to cover a little less than it says). Fifty heads at once should cost at most five times one head.

Sources: the lecture's algorithm 1; Breiman, "Bagging Predictors", 1996; Efron, "Bootstrap Methods", 1979.
"""

import time
from typing import Any

import torch
from torch import Tensor

from ajuste_fino import ensemble
from ajuste_fino.head import HeadShape
from ajuste_fino.lecture.data import digits
from ajuste_fino.lecture.findings import Check, Findings, Text, words
from ajuste_fino.lecture.frozen import embedded
from ajuste_fino.lecture.slide import Slide, slide
from ajuste_fino.report.plots import BLUE, GREEN, ORANGE, PINK
from ajuste_fino.scratch.optim import Adam

TITLE = Text(
    "The error of bagged trees falls with their number, then flattens; the out-of-bag error tells it without a test set",
    "El error de los árboles en bagging cae con su número y se aplana; el error out-of-bag lo dice sin conjunto de prueba",
)
FORMULAS = (
    r"h_t\leftarrow A(\mathcal{S}_t),\quad t=1,\ldots,T",
    r"f(x)=\mathrm{arg\,max}_c\,\sum_t[\,h_t(x)=c\,]",
)
USES = ("ensemble.bootstrap", "ensemble.fit (torch.func.vmap)", "ensemble.out_of_bag", "features.Cached", "scratch.optim.Adam")


def measure(*, trees: int, heads: int, epochs: int, sample: int, intervals: int, seeds: int) -> Findings:
    """Bagged trees on pixels by T; bagged heads on cached features; the coverage of bootstrap intervals.

    Args:
        trees: T, at most.
        heads: trained at once, each on its own bootstrap sample.
        epochs: of the heads' training.
        sample: test pictures from which an interval is made.
        intervals: how many are made.
        seeds: repetitions of the trees, and of the timing.
    """
    curves = [_trees(trees, seed) for seed in range(seeds)]
    rows = [{"seed": seed, **row} for seed, curve in enumerate(curves) for row in curve]
    bagged = _heads(heads, epochs, seeds)
    covered = _coverage(bagged["right"], sample, intervals)
    rows += [{"seed": "", "T": T, "vote": error, "of": "heads"} for T, error in ((1, bagged["one"]), (heads, bagged["all"]))]
    return Findings(_checks(rows, bagged, covered, trees), rows, {"trees": trees, "bagged": bagged, "covered": covered})


def _trees(count: int, seed: int) -> list[dict[str, Any]]:
    """By T: test error of the vote, of averaged probabilities, and out of bag."""
    from sklearn.tree import DecisionTreeClassifier

    train, _, test = digits()
    counts = ensemble.bootstrap(count, len(train.y), seed)
    x, y = train.flat.numpy(), train.y.numpy()
    members = []
    for t, weights in enumerate(counts):
        # leaves of three: their shares are probabilities, where pure leaves would only vote
        tree = DecisionTreeClassifier(min_samples_leaf=3, random_state=seed * 1000 + t)
        members.append(tree.fit(x, y, sample_weight=weights.numpy()))
    on_test, on_train = (_logits(members, part.flat) for part in (test, train))
    rows = []
    for T in _numbers(count):
        seen = ensemble.out_of_bag(on_train[:T], counts[:T])
        judged = seen >= 0
        rows.append(
            {
                "T": T,
                "of": "trees",
                "vote": _error(ensemble.majority(on_test[:T]), test.y),
                "average": _error(on_test[:T].softmax(2).mean(0).argmax(1), test.y),
                "out_of_bag": _error(seen[judged], train.y[judged]),
            }
        )
    return rows


def _numbers(count: int) -> list[int]:
    return sorted({T for T in (1, 2, 3, 5, 7, 10, 15, 20, 25, 30, 40, 50, 70, 100) if count > T} | {count // 2, count})


def _logits(members: list[Any], x: Tensor) -> Tensor:
    """(T, N, C): the logarithms of the trees' probabilities."""
    return torch.stack([torch.from_numpy(tree.predict_proba(x.numpy())) for tree in members]).clamp(min=1e-9).log()


def _error(predicted: Tensor, y: Tensor) -> float:
    return float((predicted != y).float().mean())


def _heads(count: int, epochs: int, repeats: int) -> dict[str, Any]:
    """Test errors of one head and of the bagged, and what the bagged cost in times of one head, paired."""
    found: dict[str, Any] = {}
    ratios = []
    for _ in range(repeats):
        one, _, _ = _trained(1, epochs)
        many, logits, _ = _trained(count, epochs)
        ratios.append(many / one)
    test = embedded().test
    found["right"] = logits.softmax(2).mean(0).argmax(1) == test.y
    found["one"] = float(torch.stack([(member.argmax(1) != test.y).float().mean() for member in logits]).mean())
    found["all"] = 1 - float(found["right"].float().mean())
    found["ratio"] = sorted(ratios)[len(ratios) // 2]
    return found


def _trained(members: int, epochs: int) -> tuple[float, Tensor, Tensor]:
    """Seconds of training, test logits (T, N, C), bootstrap counts."""
    data = embedded()
    torch.manual_seed(0)
    bag = ensemble.Ensemble(HeadShape(data.num_features, 10), members)
    bag.standardise.set(data.train.x.mean(0), data.train.x.std(0))
    counts = ensemble.bootstrap(members, len(data.train.y), 0)
    generator = torch.Generator().manual_seed(0)

    def batches() -> Any:
        for p in torch.randperm(len(data.train.y), generator=generator).split(64):
            yield data.train.x[p], data.train.y[p], p

    start = time.perf_counter()
    ensemble.fit(bag, (batches() for _ in range(epochs)), counts, Adam(bag.parameters()), lambda: None)
    seconds = time.perf_counter() - start
    with torch.inference_mode():
        return seconds, bag.logits(data.test.x), counts


def _coverage(right: Tensor, sample: int, intervals: int) -> float:
    """The share of 95 % percentile intervals, each from one sample of the population `right`, that hold its mean.

    The population is mixed with wrong answers to an accuracy of about 0.8: near 1 an interval from a hundred pictures is
    often a point.
    """
    generator = torch.Generator().manual_seed(0)
    population = right & (torch.rand(len(right), generator=generator) < 0.8)
    truth = float(population.float().mean())
    samples = population[torch.randint(len(population), (intervals, sample), generator=generator)].float()
    again = torch.randint(sample, (intervals, 1000, sample), generator=generator)
    means = torch.stack([one[where].mean(1) for one, where in zip(samples, again, strict=True)])
    low, high = means.quantile(torch.tensor([0.025, 0.975]), dim=1)
    return float(((low <= truth) & (truth <= high)).float().mean())


def _mean(rows: list[dict[str, Any]], what: str, T: int) -> float:
    values = [row[what] for row in rows if row["T"] == T and row["of"] == "trees"]
    return sum(values) / len(values)


def _checks(rows: list[dict[str, Any]], bagged: dict[str, Any], covered: float, trees: int) -> list[Check]:
    one, half, whole = (_mean(rows, "vote", T) for T in (1, trees // 2, trees))
    oob, average = (_mean(rows, what, trees) for what in ("out_of_bag", "average"))
    return [
        Check(
            Text(f"error of {trees} trees over that of one", f"error de {trees} árboles sobre el de uno"), whole / one, 0, 0.6
        ),
        Check(
            Text("share of the gain by half of the trees", "parte de la ganancia con la mitad de los árboles"),
            (one - half) / (one - whole),
            0.9,
        ),
        Check(Text("out-of-bag error minus test error", "error out-of-bag menos error de prueba"), oob - whole, -0.03, 0.03),
        Check(
            Text("error of the vote minus that of averaged probabilities", "error de la votación menos el del promedio"),
            whole - average,
            -0.02,
            0.02,
        ),
        Check(
            Text(
                "stable learner (linear head): error of one minus bagged",
                "aprendiz estable (cabeza lineal): error de una menos en bagging",
            ),
            bagged["one"] - bagged["all"],
            -0.01,
            0.01,
        ),
        Check(
            Text("95 % bootstrap intervals that cover the accuracy", "intervalos bootstrap del 95 % que cubren la exactitud"),
            covered,
            0.9,
            0.98,
        ),
        Check(Text("cost of 50 heads at once, in heads", "costo de 50 cabezas a la vez, en cabezas"), bagged["ratio"], 0, 5),
    ]


def draw(findings: Findings, lang: str = "en") -> Slide:
    """Left: errors by T. Right: one head, and fifty."""
    say, rows = words(lang), list(findings.rows)
    figure, (left, right) = slide(TITLE, lang, "ab", width_ratios=[2.2, 1])
    numbers = _numbers(findings.data["trees"])
    names = {
        "vote": say("test, majority vote", "prueba, por votación"),
        "average": say("test, averaged probabilities", "prueba, probabilidades promediadas"),
        "out_of_bag": "out-of-bag",
    }
    for (what, label), color, marker in zip(names.items(), (BLUE, ORANGE, GREEN), "os^", strict=True):
        left.plot(numbers, [_mean(rows, what, T) for T in numbers], marker + "-", color=color, label=label)
    left.set_xlabel(say("trees, T", "árboles, T"))
    left.set_ylabel("error")
    left.set_ylim(bottom=0)
    left.legend()
    bagged = findings.data["bagged"]
    right.bar([0, 1], [bagged["one"], bagged["all"]], color=[PINK, BLUE], width=0.6)
    right.set_xticks([0, 1], [say("one head", "una cabeza"), say("50 bagged", "50 en bagging")])
    right.set_ylim(0, max(bagged["one"], bagged["all"], 0.02) * 2.2)
    right.set_title(
        say("a stable learner:\nlinear head on frozen features", "un aprendiz estable:\ncabeza lineal sobre red congelada")
    )
    right.set_ylabel(say("test error", "error de prueba"))
    return figure
