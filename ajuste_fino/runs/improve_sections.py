"""The sections of `data.html`: each computes, and gives what the page shows and what `data.json` has."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor

from ajuste_fino.choose.heads import Basis, logits_out_of_fold
from ajuste_fino.console import log
from ajuste_fino.data.folds import fold_numbers
from ajuste_fino.data.group import groups
from ajuste_fino.files import write_csv
from ajuste_fino.insight import forecast as laws
from ajuste_fino.insight import suspects as labels_of
from ajuste_fino.insight.curve import Curve, affordable_draws, learning_curve
from ajuste_fino.insight.neighbours import Neighbours, neighbours
from ajuste_fino.insight.projection import project
from ajuste_fino.own_tables import SUSPECTS
from ajuste_fino.predict import Predictor
from ajuste_fino.report import data_page
from ajuste_fino.report.forecast import draw_forecast
from ajuste_fino.runs.own_features import Learnt
from ajuste_fino.threads import threads_for

FOLDS = 5
OF_A_CLASS = 300  # samples of the bootstrap for each class
COMPARED = 20_000  # images that are compared with each other, drawn by chance where there are more
PAIRS = 60  # that the page shows
ODD = 24
TRAINED = (
    "The backbone of this run was trained on all of the training images, whose features it has made easy: the gain of more "
    "photographs is underestimated, and labels that it has learnt by heart do not look wrong. A run of phases=head says more."
)
NAMES = ("forecast", "suspects", "chart", "couples", "odd")  # of the functions here, in the order of the page
Section = tuple[Any, dict[str, Any]]


@dataclass(frozen=True)
class Work:
    """A run's images and features, and where what is found goes."""

    cfg: DictConfig
    predictor: Predictor
    found: Learnt
    x: Basis
    shown: data_page.Shown
    out: Path

    @property
    def classes(self) -> int:
        return len(self.predictor.labels)

    @property
    def warning(self) -> str:
        """What is to be said of a run that trained its backbone."""
        return TRAINED if "trained/parameters" in self.predictor.metrics else ""

    @cached_property
    def probabilities(self) -> Tensor:
        """Of each image by a head that did not see it, nor a copy of it, nor its group, (N, C)."""
        folds = torch.tensor(fold_numbers(self.found.samples, self._folds, self.cfg.seed))
        with threads_for(4 * self.x.rows.numel() * self.classes * FOLDS):
            return labels_of.calibrated(logits_out_of_fold(self.x, self.found.targets, folds, self.classes), self.found.targets)

    @property
    def _folds(self) -> int:
        return min(FOLDS, len(set(groups(self.found.samples))))

    @cached_property
    def compared(self) -> tuple[list[int], Neighbours]:
        """The positions of the images that are compared with each other, and how near they are."""
        positions = self.drawn(COMPARED)
        return positions, neighbours(self.found.features[positions])

    def drawn(self, most: int) -> list[int]:
        """Positions of at most so many images, by chance."""
        count = len(self.found.samples)
        order = torch.randperm(count, generator=torch.Generator().manual_seed(self.cfg.seed))
        return sorted(order[:most].tolist())


def forecast(work: Work) -> Section:
    """Would more photographs help?"""
    found, cfg = work.found, work.cfg
    train = found.samples[: found.train]
    draws = affordable_draws(work.x, work.classes, cfg.draws)
    if draws < cfg.draws:
        log.warning(f"draws={cfg.draws} of each share would take minutes with so many images; {draws} are trained.")
    by_class = not any(sample.group for sample in train)
    curve = learning_curve(work.x, found.targets, groups(train), work.classes, draws, cfg.seed, by_class)
    whole, rows = laws.forecast(curve, cfg.seed), _by_class(work, curve)
    figure = work.out / "plots" / "learning_curve.png"
    draw_forecast(curve, whole, figure)
    errors = curve.wrong.double().mean(0)
    points = [
        {"share": share, "images": size, "accuracies": (1 - errors[curve.share == share]).tolist()}
        for share, size in zip(curve.shares, curve.sizes, strict=True)
    ]
    numbers = {**_numbers(whole), "draws": draws, "points": points, "by_class": rows}
    numbers |= {"power_law": whole.plain._asdict(), "power_law_with_floor": whole.floored._asdict()}
    return data_page.forecast(whole, rows, figure, found.train, work.warning), {"learning_curve": numbers}


def _numbers(one: laws.Forecast) -> dict[str, Any]:
    return {"now": one.now, "twice": one.twice, "low": one.low, "high": one.high}


def _by_class(work: Work, curve: Curve) -> list[dict[str, Any]]:
    """A row for each class, the largest gain first; one without a validation image has no numbers, and is last."""
    train, val = work.found.targets[: work.found.train], work.found.targets[work.found.train :]
    rows = []
    for number, label in enumerate(work.predictor.labels):
        of = val == number
        row: dict[str, Any] = {"label": label, "train_images": int((train == number).sum()), "val_images": int(of.sum())}
        row |= dict.fromkeys(("accuracy", "twice", "gain", "gain_low", "gain_high"))
        if row["val_images"]:
            one = laws.forecast(curve, work.cfg.seed, OF_A_CLASS, of)
            row |= {"accuracy": one.now, "twice": one.twice, "gain": one.gain}
            row |= {"gain_low": one.low - one.now, "gain_high": one.high - one.now}
        rows.append(row)
    return sorted(rows, key=lambda row: 2.0 if row["gain"] is None else -row["gain"])


def suspects(work: Work) -> Section:
    """Which labels look wrong?"""
    if not work.cfg.suspects:
        return None, {}
    found, labels, p = work.found, work.predictor.labels, work.probabilities
    ranked = labels_of.suspects(p, found.targets, work.cfg.suspects)
    samples = [found.samples[position] for position in ranked.order]
    likeliest = [labels[int(p[position].argmax())] for position in ranked.order]
    scores = [float(ranked.scores[position]) for position in ranked.order]
    rows = zip(samples, likeliest, scores, strict=True)
    table = [(s.file, s.label, other, f"{score:.4f}", "", s.sha256) for s, other, score in rows]
    write_csv(work.out / "suspects.csv", SUSPECTS, table)
    captions = [(f"labelled {s.label}", f"looks like {other}") for s, other in zip(samples, likeliest, strict=True)]
    page: dict[str, Any] = {"items": data_page.gallery(samples, captions, work.shown)}
    page |= {"estimated": ranked.estimated, "images": len(found.samples)}
    return page, {"suspects": {"estimated": ranked.estimated, "listed": len(samples)}}


def chart(work: Work) -> Section:
    """A map of the data."""
    found, labels = work.found, work.predictor.labels
    places, positions = project(work.x, work.cfg.map, work.cfg.seed), work.drawn(work.cfg.thumbnails)
    guesses = [labels[number] for number in work.probabilities.argmax(1)[positions].tolist()]
    samples = [found.samples[position] for position in positions]
    page = data_page.chart(samples, places[positions].tolist(), guesses, labels, work.shown)
    right = float((work.probabilities.argmax(1) == found.targets).double().mean())
    return page | {"total": len(found.samples)}, {"out_of_fold/accuracy": right}


def couples(work: Work) -> Section:
    """Nearly the same."""
    positions, near = work.compared
    if near.pairs is None:
        return {"pairs": None, "total": 0}, {"near_duplicates": None}
    samples = [work.found.samples[position] for position in positions]
    pairs = [(samples[a], samples[b], likeness) for a, b, likeness in near.pairs]
    page = {"pairs": data_page.couples(pairs[:PAIRS], work.shown), "total": len(pairs)}
    first = [{"one": one.file, "other": other.file, "cosine": round(c, 4)} for one, other, c in pairs[:1000]]
    numbers: dict[str, Any] = {"pairs": len(pairs), "compared": len(positions), "first": first}
    return page, {"near_duplicates": numbers}


def odd(work: Work) -> Section:
    """Like no other."""
    positions, near = work.compared
    order = near.distance.argsort(descending=True, stable=True)[:ODD].tolist()
    samples = [work.found.samples[positions[place]] for place in order]
    distances = [float(near.distance[place]) for place in order]
    captions = [(sample.label, f"distance {distance:.2f}") for sample, distance in zip(samples, distances, strict=True)]
    rows = [{"file": s.file, "distance": round(d, 4)} for s, d in zip(samples, distances, strict=True)]
    return {"items": data_page.gallery(samples, captions, work.shown)}, {"odd": rows}
