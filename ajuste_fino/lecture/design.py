"""Model selection for a CNN: layers, filters, pooling and the fully connected part, by a search on the validation split.

The bands. The choice should matter: trained anew with other seeds (the best of many trials is also the luckiest), the best
design at least 0.01 above the median one on the validation split. What was chosen there should hold on the test split, which
only the chosen design meets, after the choice: within 0.03, twice the standard error of the difference of two accuracies near
0.97 on 359 images each, and some more.

Sources: the lecture's list of choices; Hutter, Hoos and Leyton-Brown, ICML 2014, for the importances.
"""

from typing import Any

import torch

from ajuste_fino import sweep
from ajuste_fino.backbone.designed import Design, DesignedNet
from ajuste_fino.lecture.data import Split, digits
from ajuste_fino.lecture.findings import Check, Findings, Table
from ajuste_fino.lecture.settings import Limit
from ajuste_fino.lecture.slide import Slide, integer_ticks, slide
from ajuste_fino.lecture.text import Texts, in_table
from ajuste_fino.lecture.training import accuracy, one_thread, train
from ajuste_fino.report.plots import ORANGE
from ajuste_fino.report.search import history, importance
from ajuste_fino.scratch import nn
from ajuste_fino.scratch.optim import Adam

FORMULAS = (r"\hat{m}=\mathrm{arg\,max}_m\;\mathrm{acc}_{\mathrm{val}}(m)\;\rightarrow\;\mathrm{acc}_{\mathrm{test}}(\hat{m})",)
LIMITS = {"layers": Limit(1, 3), "trials": Limit(4, 10_000)}
USES = ("sweep (Optuna)", "backbone.designed.DesignedNet", "scratch.nn", "scratch.optim.Adam")


@one_thread()
def measure(
    *, layers: list[int], filters: list[int], poolings: list[str], hidden: list[int], trials: int, epochs: int, seeds: int
) -> Findings:
    """Search; train the best design again with other seeds, and judge those networks on the test split.

    Args:
        layers, filters, poolings, hidden: the choices, as `backbone.*` and `head.hidden` take them.
        trials: designs that are tried.
        epochs: of each training.
        seeds: trainings of the chosen design.
    """
    train_set, val, test = digits()
    space = {"layers": layers, "filters": filters, "pooling": poolings, "hidden": hidden}
    study = sweep.study(None, "design")
    sweep.search(study, lambda values, number: score(values, train_set, val, epochs, number), space, trials, seed=0)
    rows = Table({"trial": t.number + 1, **t.params, "seed": t.number, "validation": t.value, "test": ""} for t in study.trials)
    best, ranked = study.best_trial, sorted(study.trials, key=lambda trial: float(trial.value or 0))
    again = {
        name: [score(trial.params, train_set, val, epochs, 1000 + seed) for seed in range(seeds)]
        for name, trial in (("best", best), ("median", ranked[len(ranked) // 2]))
    }
    finals = [score(best.params, train_set, test, epochs, 1000 + seed) for seed in range(seeds)]
    rows += [
        {"trial": best.number + 1, **best.params, "seed": 1000 + seed, "validation": a, "test": b}
        for seed, (a, b) in enumerate(zip(again["best"], finals, strict=True))
    ]
    best_val, median_val, best_test = (sum(scores) / len(scores) for scores in (again["best"], again["median"], finals))
    checks = [
        Check("matters", best_val - median_val, 0.01),
        Check("holds", best_val - best_test, -0.03, 0.03),
    ]
    return Findings(checks, rows, {"importances": sweep.importances(study), "best": best.params, "test accuracy": best_test})


def score(values: dict[str, Any], train_set: Split, eval_set: Split, epochs: int, seed: int) -> float:
    """Train a network of these choices; its accuracy on another split."""
    torch.manual_seed(seed)
    body = DesignedNet(
        Design(
            layers=values["layers"], filters=values["filters"], pooling=values["pooling"], grid=1 if values["layers"] > 2 else 2
        )
    )
    width = body.design.widths[-1] * body.design.grid**2
    hidden = [nn.Linear(width, values["hidden"]), nn.ReLU()] if values["hidden"] else []
    net = torch.nn.Sequential(body, *hidden, nn.Linear(values["hidden"] or width, 10))
    train(net, Adam(net.parameters(), lr=3e-3), _as_rgb(train_set.x), train_set.y, epochs, seed)
    return accuracy(net, _as_rgb(eval_set.x), eval_set.y)


def _as_rgb(x: torch.Tensor) -> torch.Tensor:
    """Grey (N, 1, 8, 8) as the three channels that a designed network reads."""
    return x.expand(-1, 3, -1, -1).contiguous()


def draw(findings: Findings, texts: Texts) -> Slide:
    """Left: the trials, the best so far, and the test accuracy. Right: how important each choice was."""
    figure, (left, right) = slide(findings, texts, "ab", width_ratios=[1.6, 1])
    history(left, findings.rows.column("validation", test=""), texts("a_design"), texts("best_so_far"))
    left.axhline(findings.data["test accuracy"], color=ORANGE, linestyle="--", label=texts("best_on_test"))
    left.set_xlabel(texts("trial"))
    left.set_ylabel(texts("accuracy"))
    left.legend()
    integer_ticks(left)
    labels = {choice: texts(choice, best=in_table(str(value), texts.lang)) for choice, value in findings.data["best"].items()}
    importance(right, findings.data["importances"], labels)
    right.set_xlabel(texts("importance"))
    return figure
