"""Model selection for a CNN: layers, filters, pooling and the fully connected part, by a search on the validation split.

The bands. The choice should matter: trained anew with other seeds (the best of many trials is also the luckiest), the best
design at least 0.01 above the median one on the validation split. What was chosen there should hold on the test split, which
only the chosen design meets, after the choice: within 0.03, twice the standard error of the difference of two accuracies near
0.97 on 359 pictures each, and some more.

Sources: the lecture's list of choices; Hutter, Hoos and Leyton-Brown, ICML 2014, for the importances.
"""

from typing import Any

import torch

from ajuste_fino import sweep
from ajuste_fino.backbone.designed import Design, DesignedNet
from ajuste_fino.lecture.data import Part, digits
from ajuste_fino.lecture.findings import Check, Findings, Limit, Text, words
from ajuste_fino.lecture.slide import Slide, slide, whole
from ajuste_fino.lecture.training import accuracy, train
from ajuste_fino.report.plots import ORANGE
from ajuste_fino.report.search import history, importance
from ajuste_fino.scratch import nn
from ajuste_fino.scratch.optim import Adam

TITLE = Text(
    "Designing a CNN is model selection: what the validation split chooses holds on the test split",
    "Diseñar una CNN es selección de modelo: lo que elige la validación se sostiene en la prueba",
)
FORMULAS = (r"\hat{m}=\mathrm{arg\,max}_m\;\mathrm{acc}_{\mathrm{val}}(m)\;\rightarrow\;\mathrm{acc}_{\mathrm{test}}(\hat{m})",)
LIMITS = {"layers": Limit(1, 3), "trials": Limit(4, 10_000)}
USES = ("sweep (Optuna)", "backbone.designed.DesignedNet", "scratch.nn", "scratch.optim.Adam")


SAID = {
    "matters": Text(
        "validation, trained anew: best minus median design", "validación, entrenados de nuevo: mejor menos mediano"
    ),
    "holds": Text("best design: validation minus test accuracy", "mejor diseño: exactitud de validación menos de prueba"),
}


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
    first, val, test = digits()
    space = {"layers": layers, "filters": filters, "pooling": poolings, "hidden": hidden}
    study = sweep.study(None, "design")
    sweep.search(study, lambda values, number: _score(values, first, val, epochs, number), space, trials, seed=0)
    rows: list[dict[str, Any]] = [{"trial": t.number, **t.params, "validation": t.value, "test": ""} for t in study.trials]
    best, ranked = study.best_trial, sorted(study.trials, key=lambda trial: float(trial.value or 0))
    again = {
        name: [_score(trial.params, first, val, epochs, 1000 + seed) for seed in range(seeds)]
        for name, trial in (("best", best), ("median", ranked[len(ranked) // 2]))
    }
    finals = [_score(best.params, first, test, epochs, 1000 + seed) for seed in range(seeds)]
    rows += [
        {"trial": f"best, seed {n}", **best.params, "validation": a, "test": b}
        for n, (a, b) in enumerate(zip(again["best"], finals, strict=True))
    ]
    chosen, middle, held = (sum(scores) / len(scores) for scores in (again["best"], again["median"], finals))
    checks = [
        Check(SAID["matters"], chosen - middle, 0.01),
        Check(SAID["holds"], chosen - held, -0.03, 0.03),
    ]
    return Findings(checks, rows, {"importances": sweep.importances(study), "best": best.params, "held": held})


def _score(values: dict[str, Any], first: Part, judge: Part, epochs: int, seed: int) -> float:
    torch.manual_seed(seed)
    body = DesignedNet(
        Design(
            layers=values["layers"], filters=values["filters"], pooling=values["pooling"], grid=1 if values["layers"] > 2 else 2
        )
    )
    width = body.design.widths[-1] * body.design.grid**2
    part = [nn.Linear(width, values["hidden"]), nn.ReLU()] if values["hidden"] else []
    net = torch.nn.Sequential(body, *part, nn.Linear(values["hidden"] or width, 10))
    train(net, Adam(net.parameters(), lr=3e-3), _coloured(first.x), first.y, epochs, seed)
    return accuracy(net, _coloured(judge.x), judge.y)


def _coloured(x: torch.Tensor) -> torch.Tensor:
    """Grey (N, 1, 8, 8) as the three channels that a designed network reads."""
    return x.expand(-1, 3, -1, -1).contiguous()


def draw(findings: Findings, lang: str = "en") -> Slide:
    """Left: the trials, the best so far, and the test accuracy. Right: how important each choice was."""
    say = words(lang)
    figure, (left, right) = slide(TITLE, lang, "ab", width_ratios=[1.6, 1])
    values = [row["validation"] for row in findings.rows if row["test"] == ""]
    history(left, values, say("a design, validation", "un diseño, validación"), say("best so far", "el mejor hasta ahí"))
    left.axhline(
        findings.data["held"], color=ORANGE, linestyle="--", label=say("the best, on the test split", "el mejor, en la prueba")
    )
    left.set_xlabel(say("trial", "ensayo"))
    left.set_ylabel(say("accuracy", "exactitud"))
    left.legend()
    whole(left)
    names = {
        "layers": say("layers", "capas"),
        "filters": say("filters", "filtros"),
        "pooling": "pooling",
        "hidden": say("fully connected", "totalmente conectada"),
    }
    chosen = findings.data["best"]
    spoken = {name: f"{text}\n({say('best', 'mejor')}: {chosen[name]})" for name, text in names.items()}
    importance(right, findings.data["importances"], spoken)
    right.set_xlabel(say("importance (share of the variation)", "importancia (fracción de la variación)"))
    return figure
