"""What the features of a run tell of its data: each part computes, and gives what a page shows and what `data.json` has."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import torch
from omegaconf import DictConfig
from torch import Tensor

from ajuste_fino.choose.heads import Basis, basis, logits_out_of_fold
from ajuste_fino.console import log
from ajuste_fino.data.folds import fold_numbers
from ajuste_fino.data.group import groups
from ajuste_fino.insight import forecast as laws
from ajuste_fino.insight import suspects as labels_of
from ajuste_fino.insight.curve import Curve, affordable_draws, learning_curve
from ajuste_fino.insight.neighbours import Neighbours, neighbours
from ajuste_fino.insight.projection import project
from ajuste_fino.predict import Predictor
from ajuste_fino.report import charts, data_page
from ajuste_fino.report.forecast import WORDS
from ajuste_fino.report.html import page_texts
from ajuste_fino.runs.console import workers
from ajuste_fino.runs.own_features import Learnt, learnt
from ajuste_fino.threads import threads_for

FOLDS = 5
OF_A_CLASS = 300  # samples of the bootstrap for each class
COMPARED = 20_000  # images that are compared with each other, drawn by chance where there are more
PAIRS = 60  # that the page shows
ODD = 24
Part = tuple[dict[str, Any], dict[str, Any]]


@dataclass(frozen=True)
class Work:
    """A run's images and features.

    `basis`: the features, as heads are trained on them; `shown`: how pictures are made.
    """

    cfg: DictConfig
    predictor: Predictor
    found: Learnt
    basis: Basis
    shown: data_page.Shown

    @classmethod
    def of(cls, cfg: DictConfig, predictor: Predictor) -> Self:
        """Get the features of the images that `cfg.run` learnt from.

        Raises:
            UserError: where they are gone or changed.
        """
        found = learnt(cfg, predictor)
        shown = data_page.Shown(workers(cfg.workers), predictor.preprocessing.depth)
        return cls(cfg, predictor, found, basis(found.features), shown)

    @property
    def classes(self) -> int:
        return len(self.predictor.labels)

    @property
    def trained_backbone(self) -> bool:
        """Whether the features are of a backbone that has learnt these images."""
        return "trained/parameters" in self.predictor.metrics

    @cached_property
    def probabilities(self) -> Tensor:
        """Of each image by a head that did not see it, nor a copy of it, nor its group, (N, C)."""
        folds = torch.tensor(fold_numbers(self.found.samples, self._folds, self.cfg.seed))
        with threads_for(4 * self.basis.rows.numel() * self.classes * FOLDS):
            return labels_of.calibrated(
                logits_out_of_fold(self.basis, self.found.targets, folds, self.classes), self.found.targets
            )

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


def more(work: Work) -> Part:
    """Would more photographs help?"""
    found, cfg = work.found, work.cfg
    train = found.samples[: found.train]
    draws = affordable_draws(work.basis, work.classes, cfg.draws)
    if draws < cfg.draws:
        log.warning(f"draws={cfg.draws} of each share would take minutes with so many images; {draws} are trained.")
    by_class = not any(sample.group for sample in train)
    curve = learning_curve(work.basis, found.targets, groups(train), work.classes, draws, cfg.seed, by_class)
    whole, rows = laws.forecast(curve, cfg.seed), _by_class(work, curve)
    errors = curve.wrong.double().mean(0)
    points = [
        {"share": share, "images": size, "accuracies": (1 - errors[curve.share == share]).tolist()}
        for share, size in zip(curve.shares, curve.sizes, strict=True)
    ]
    numbers: dict[str, Any] = {"now": whole.now, "twice": whole.twice, "low": whole.low, "high": whole.high}
    page = {**numbers, "images": found.train, "by_class": rows, "trained_backbone": work.trained_backbone}
    page["figure"] = _figure(curve, whole, work.cfg.lang)
    numbers |= {"draws": draws, "points": points, "by_class": rows}
    numbers |= {"power_law": whole.plain._asdict(), "power_law_with_floor": whole.floored._asdict()}
    return page, {"learning_curve": numbers}


def _figure(curve: Curve, found: laws.Forecast, lang: str) -> str:
    texts = page_texts(lang, "data")
    title = texts("more_alt", now=f"{found.now:.1%}", twice=f"{found.twice:.1%}")
    return charts.forecast(curve, found, {word: texts(word) for word in WORDS}, title)


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


def labels(work: Work) -> Part:
    """Which labels look wrong?"""
    found, names, p = work.found, work.predictor.labels, work.probabilities
    ranked = labels_of.suspects(p, found.targets, work.cfg.suspects)
    samples = [found.samples[position] for position in ranked.order]
    said = [
        {"suggested": names[int(p[position].argmax())], "score": float(ranked.scores[position]), "sha256": sample.sha256}
        for position, sample in zip(ranked.order, samples, strict=True)
    ]
    page = {"suspects": work.shown.images(samples, said), "estimated": ranked.estimated, "images": len(found.samples)}
    return page | {"table": False}, {"suspects": {"estimated": ranked.estimated, "listed": len(samples)}}


def chart(work: Work) -> Part:
    """A map of the data."""
    found, names = work.found, work.predictor.labels
    places, positions = project(work.basis, work.cfg.map, work.cfg.seed), work.drawn(work.cfg.thumbnails)
    guesses = [names[number] for number in work.probabilities.argmax(1)[positions].tolist()]
    samples = [found.samples[position] for position in positions]
    page = data_page.chart(samples, places[positions].tolist(), guesses, names, work.shown)
    right = float((work.probabilities.argmax(1) == found.targets).double().mean())
    return page | {"total": len(found.samples)}, {"out_of_fold/accuracy": right}


def alike(work: Work) -> Part:
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


def odd(work: Work) -> Part:
    """Like no other."""
    positions, near = work.compared
    order = near.distance.argsort(descending=True, stable=True)[:ODD].tolist()
    samples = [work.found.samples[positions[place]] for place in order]
    distances = [{"distance": round(float(near.distance[place]), 4)} for place in order]
    rows = [{"file": sample.file, **one} for sample, one in zip(samples, distances, strict=True)]
    return {"images": work.shown.images(samples, distances)}, {"odd": rows}


PARTS: dict[str, Callable[[Work], Part]] = {"more": more, "labels": labels, "map": chart, "alike": alike, "odd": odd}
