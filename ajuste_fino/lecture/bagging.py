"""Bagging an unstable learner, and the bootstrap's first use: how precise is an estimate?

The bands. A decision tree changes with its sample, so 50 of them should at most have 0.6 of the error of one tree that had
all examples, and of the gain over the first bagged tree nine tenths should be there by half of them. The out-of-bag error
judges each digit by the 37 % of the trees that did not see it: within 0.03 of the test error, and correlated with it over T
by 0.9. Vote and averaged probabilities: within 0.02 of each other. A linear head on frozen features is stable: bagging it
should change its error by less than 0.01. Of the 95 % intervals from bootstrapped test sets, 90 to 98 % should cover the
accuracy of the whole population they were drawn from (the percentile interval is known to cover a little less than it says).
Fifty heads at once should cost at most five times one head; times depend on the machine, so this check is informational.

Sources: the lecture's algorithm 1; Breiman, "Bagging Predictors", 1996; Efron, "Bootstrap Methods", 1979.
"""

import time
from math import nan
from typing import Any

import torch
from torch import Tensor

from ajuste_fino import ensemble
from ajuste_fino.head import HeadShape
from ajuste_fino.lecture.data import Split
from ajuste_fino.lecture.findings import Check, Findings, Table
from ajuste_fino.lecture.frozen import Features, features, flat, standardised
from ajuste_fino.lecture.settings import Limit
from ajuste_fino.lecture.slide import Slide, slide
from ajuste_fino.lecture.text import Texts
from ajuste_fino.report.plots import BLUE, GREEN, ORANGE, PINK
from ajuste_fino.scratch.optim import Adam

COMPONENTS = 64  # of features that trees read
FORMULAS = (
    r"h_t\leftarrow A(\mathcal{S}_t),\quad t=1,\ldots,T",
    r"f(x)=\mathrm{arg\,max}_c\,\sum_t[\,h_t(x)=c\,]",
)
LIMITS = {"trees": Limit(4, 1000), "heads": Limit(2, 1000), "sample": Limit(10, 10_000), "intervals": Limit(20, 10_000)}
USES = (
    "ensemble.bootstrap",
    "ensemble.fit (torch.func.vmap)",
    "ensemble.out_of_bag",
    "features.CachedFeatures",
    "scratch.optim.Adam",
)


def measure(
    *, trees: int, heads: int, epochs: int, sample: int, intervals: int, seeds: int, data: dict[str, str | None]
) -> Findings:
    """Measure bagged trees for each T, bagged heads on cached features, and the coverage of bootstrap intervals.

    Args:
        trees: T, at most.
        heads: trained at once, each on its own bootstrap sample.
        epochs: of the heads' training.
        sample: test images from which an interval is made.
        intervals: how many are made.
        seeds: repetitions of all.
        data: `root`, where the images are whose features are learnt, by trees in their first components; null: the digits,
            whose pixels the trees read.
    """
    of_heads = features(data["root"])
    of_trees = flat(None) if data["root"] is None else _few_columns(standardised(of_heads))
    rows = Table({"seed": seed, **row} for seed in range(seeds) for row in _bag_trees(of_trees, trees, seed))
    for seed in range(seeds):
        found, right = _bag_heads(of_heads, heads, epochs, seed)
        rows.append({"seed": seed, "of": "heads", **found, "covered": _coverage(right, sample, intervals, seed)})
    return Findings(_checks(rows, trees, heads), rows, {"trees": trees, "heads": heads}, of_heads.can_be_judged)


def _few_columns(images: Features) -> Features:
    """At most `COMPONENTS` principal components of the training split: a tree tries every column at every node."""
    mean = images.train.x.mean(0)
    axes = torch.linalg.svd(images.train.x - mean, full_matrices=False).Vh[:COMPONENTS].mT
    return Features(*(Split((split.x - mean) @ axes, split.y) for split in (images.train, images.val, images.test)))


def _bag_trees(images: Features, count: int, seed: int) -> list[dict[str, Any]]:
    """The test error of one tree on all examples; then for each T those of vote and average, and the out-of-bag error."""
    from sklearn.tree import DecisionTreeClassifier

    train, test = images.train, images.test
    counts = ensemble.bootstrap(count, len(train.y), seed)
    x, y = train.flat.numpy(), train.y.numpy()

    def tree(number: int, weights: Any = None) -> Any:
        # leaves of three: their shares are probabilities, where pure leaves would only vote
        return DecisionTreeClassifier(min_samples_leaf=3, random_state=seed * 1000 + number).fit(x, y, sample_weight=weights)

    members = [tree(t, weights.numpy()) for t, weights in enumerate(counts)]
    alone = _error(torch.from_numpy(tree(0).predict(test.flat.numpy())), test.y)
    on_test, on_train = (_logits(members, data.flat) for data in (test, train))
    rows: list[dict[str, Any]] = [{"of": "one tree, all examples", "vote": alone}]
    for T in _tree_counts(count):
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


def _tree_counts(count: int) -> list[int]:
    return sorted({T for T in (1, 2, 3, 5, 7, 10, 15, 20, 25, 30, 40, 50, 70, 100) if count > T} | {count // 2, count})


def _logits(members: list[Any], x: Tensor) -> Tensor:
    """(T, N, C): the logarithms of the trees' probabilities."""
    return torch.stack([torch.from_numpy(tree.predict_proba(x.numpy())) for tree in members]).clamp(min=1e-9).log()


def _error(predicted: Tensor, y: Tensor) -> float:
    return float((predicted != y).float().mean())


def _bag_heads(images: Features, count: int, epochs: int, seed: int) -> tuple[dict[str, Any], Tensor]:
    """Test errors of one head and of bagged heads, and their cost over that of one; which test images are right (N,)."""
    all_examples = torch.ones(1, len(images.train.y))
    one, alone = _train_heads(images, all_examples, epochs, seed)
    many, logits = _train_heads(images, ensemble.bootstrap(count, all_examples.shape[1], seed), epochs, seed)
    y = images.test.y
    right = logits.softmax(2).mean(0).argmax(1) == y
    found = {"one head": _error(alone[0].argmax(1), y), "bagged heads": 1 - float(right.float().mean()), "cost": many / one}
    return found, right


def _train_heads(data: Features, counts: Tensor, epochs: int, seed: int) -> tuple[float, Tensor]:
    """Seconds of training as many heads as `counts` has rows, and their test logits (T, N, C)."""
    torch.manual_seed(seed)
    bag = ensemble.Ensemble(HeadShape(data.num_features, data.classes), len(counts))
    bag.standardise.set(data.train.x.mean(0), data.train.x.std(0))
    generator = torch.Generator().manual_seed(seed)

    def batches() -> Any:
        for p in torch.randperm(len(data.train.y), generator=generator).split(64):
            yield data.train.x[p], data.train.y[p], p

    start = time.perf_counter()
    ensemble.fit(bag, (batches() for _ in range(epochs)), counts, Adam(bag.parameters()), lambda: None)
    seconds = time.perf_counter() - start
    with torch.inference_mode():
        return seconds, bag.logits(data.test.x)


def _coverage(right: Tensor, sample: int, intervals: int, seed: int) -> float:
    """The share of 95 % percentile intervals, each from one sample of the population `right`, that hold its mean.

    Of an accuracy above 0.8 the population is mixed with wrong answers down to that: near 1 an interval from a hundred
    images is often a point.
    """
    generator = torch.Generator().manual_seed(seed)
    kept = 0.8 / right.double().mean()  # above 1 all are
    population = right & (torch.rand(len(right), generator=generator) < kept)
    truth = float(population.float().mean())
    samples = population[torch.randint(len(population), (intervals, sample), generator=generator)].float()
    again = torch.randint(sample, (intervals, 1000, sample), generator=generator)
    means = torch.stack([one[where].mean(1) for one, where in zip(samples, again, strict=True)])
    low, high = means.quantile(torch.tensor([0.025, 0.975]), dim=1)
    return float(((low <= truth) & (truth <= high)).float().mean())


def _checks(rows: Table, trees: int, heads: int) -> list[Check]:
    alone = rows.mean("vote", of="one tree, all examples")
    first, half, whole = (rows.mean("vote", of="trees", T=T) for T in (1, trees // 2, trees))
    curves = torch.tensor([[rows.mean(of, of="trees", T=T) for T in _tree_counts(trees)] for of in ("vote", "out_of_bag")])
    oob, average = (rows.mean(of, of="trees", T=trees) for of in ("out_of_bag", "average"))
    one, bagged, covered, cost = (rows.mean(name, of="heads") for name in ("one head", "bagged heads", "covered", "cost"))
    return [
        Check("gain", _ratio(whole, alone), 0, 0.6, values={"trees": trees}),
        Check("flat", _ratio(first - half, first - whole), 0.9),
        Check("oob", oob - whole, -0.03, 0.03),
        Check("tracks", float(curves.corrcoef()[0, 1]), 0.9, 1),
        Check("vote_minus_average", whole - average, -0.02, 0.02),
        Check("stable", one - bagged, -0.01, 0.01),
        Check("covered", covered, 0.9, 0.98),
        Check("cost", cost, 0, 5, informational=True, values={"heads": heads}),
    ]


def _ratio(a: float, b: float) -> float:
    """a / b; not a number where no error is left to divide by, so that nothing holds of it."""
    return a / b if b else nan


def draw(findings: Findings, texts: Texts) -> Slide:
    """Left: errors by T. Right: one head and bagged heads."""
    rows = findings.rows
    figure, (left, right) = slide(findings, texts, "ab", width_ratios=[2.2, 1])
    counts = _tree_counts(findings.data["trees"])
    for error, color, marker in (("vote", BLUE, "o"), ("average", ORANGE, "s"), ("out_of_bag", GREEN, "^")):
        means = [rows.mean(error, of="trees", T=T) for T in counts]
        left.plot(counts, means, color=color, marker=marker, label=texts(error))
    left.set_xlabel(texts("trees"))
    left.set_ylabel(texts("error"))
    left.set_ylim(bottom=0)
    alone = rows.mean("vote", of="one tree, all examples")
    left.axhline(alone, color="0.4", linestyle=":", label=texts("one_tree"))
    left.legend()
    errors = [rows.mean(name, of="heads") for name in ("one head", "bagged heads")]
    right.bar([0, 1], errors, color=[PINK, BLUE], width=0.6)
    right.set_xticks([0, 1], [texts("one_head"), texts("bagged_heads", heads=findings.data["heads"])])
    right.set_ylim(0, max(*errors, 0.02) * 2.2)
    right.set_title(texts("stable_learner"))
    right.set_ylabel(texts("test_error"))
    return figure
