"""`report.html` of a run: the verdict first, then what it stands on, from the files of its folder."""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ajuste_fino.data.sample import SPLITS, Sample
from ajuste_fino.files import write_text
from ajuste_fino.report import charts
from ajuste_fino.report.data_page import SIDE
from ajuste_fino.report.html import page_texts, render
from ajuste_fino.report.judged import Judged
from ajuste_fino.report.plots import CURVES
from ajuste_fino.report.run_files import RunFiles
from ajuste_fino.report.thumbnails import thumbnails
from ajuste_fino.report.verdict import Verdict
from ajuste_fino.texts import Texts

NAME = "report.html"
PARTS = ("verdict", "curves", "classes", "confusion", "calibration", "wrong", "data", "frozen", "settings", "next")
MATRIX = 40  # classes at most, of which a table of what is taken for what can be read
PROOF = re.compile(r"frozen/\d+/sha256")  # of each phase, where there are several
WRONG, CONFUSED = 12, 10  # images and pairs that are shown


@dataclass(frozen=True)
class Looked:
    """An image on which is shown where the model looks: `image` is the URI of the two laid over each other."""

    position: int
    image: str


@dataclass(frozen=True)
class Extras:
    """What a report has beside the files of its run, where it is there.

    `images`: the samples by file name, for thumbnails; `looked`: where the model looks, on some of them; `found`: what the
    features tell of the data, as the parts of `data.html` show it.
    """

    images: Mapping[str, Sample] = field(default_factory=dict)
    looked: Sequence[Looked] = ()
    found: Mapping[str, Any] = field(default_factory=dict)


def write(run: Path, lang: str = "en", extras: Extras = Extras(), out: Path | None = None) -> Path:  # frozen
    """Write the report of a run folder, into it or into `out`; return its path.

    Raises:
        UserError: where it is not the folder of a finished run.
    """
    path = (out or run) / NAME
    write_text(path, page(RunFiles.read(run), page_texts(lang, "report", "data"), extras))
    return path


def page(files: RunFiles, texts: Texts, extras: Extras) -> str:
    """The page as HTML."""
    backbone = files.bundle.get("backbone", {}).get("name", files.config["backbone"]["name"])
    made_on = datetime.fromtimestamp((files.folder / "metrics.json").stat().st_mtime).strftime("%Y-%m-%d %H:%M")
    context = {
        "title": texts("title"),
        "name": files.folder.absolute().name,
        "about": f"{backbone} · {made_on}",
        "parts": _parts(extras),
        "found": extras.found,
        **Verdict.of(files).context(texts),
        **_classes(files),
        **_drawn(files, texts),
        "wrong": [_shown(files, position, extras.images) for position in files.judged.most_wrong(WRONG)],
        "attribution": [{**_named(files, one.position), "image": one.image} for one in extras.looked],
        **_origin(files),
    }
    return render(texts, context)


def _parts(extras: Extras) -> list[str]:
    """The parts in their order: where it looks after where it errs, what features tell after what the audit found."""
    behind = {"wrong": ["attribution"] if extras.looked else [], "data": list(extras.found)}
    return [part for known in PARTS for part in (known, *behind.get(known, []))]


def _classes(files: RunFiles) -> dict[str, Any]:
    """By class its figures, the weakest first; what is taken for what."""
    judged = files.judged
    names = ("precision", "recall", "f1", "support")
    classes = [{"label": label, **{name: files.of_split(f"{name}/{label}") for name in names}} for label in judged.labels]
    return {
        "labels": judged.labels,
        "classes": sorted(classes, key=lambda one: (one["f1"], one["label"])),
        "matrix": _matrix(judged) if len(judged.labels) <= MATRIX else [],
        "confused": judged.confused(CONFUSED),
    }


def _matrix(judged: Judged) -> list[list[tuple[int, float]]]:
    """What is taken for what: each count, and its share of the row."""
    shares = judged.counts / judged.counts.sum(1, keepdims=True).clip(1)
    return [list(zip(*rows, strict=True)) for rows in zip(judged.counts.tolist(), shares.tolist(), strict=True)]


def _drawn(files: RunFiles, texts: Texts) -> dict[str, Any]:
    metrics = files.metrics
    words = {key: texts(key) for key in CURVES}
    kept = metrics.get("epoch", 1), metrics.get("logistic/C")
    curves = charts.learning_curves(files.folder / "metrics.csv", *kept, words, texts("curves_alt"))
    axes = texts("probability_axis"), texts("right_axis"), texts("ideal")
    known = "val/ece_before" in metrics
    figures = {"temperature": "calibration/temperature", "before": "val/ece_before", "after": "val/ece"}
    said = {name: f"{metrics[key]:.3f}" for name, key in figures.items()} if known else {}
    return {
        "curves": curves,
        "calibration": charts.calibration(files.judged.bins(), axes, texts("calibration_alt")),
        "calibration_text": texts("calibration_text" if known else "calibration_plain", **said),
    }


def _named(files: RunFiles, position: int) -> dict[str, Any]:
    """An image and what is said of it."""
    judged = files.judged
    predicted, label = (judged.labels[numbers[position]] for numbers in (judged.predicted, judged.true))
    probability = float(judged.probability[position])
    return {"file": judged.files[position], "predicted": predicted, "label": label, "probability": probability}


def _shown(files: RunFiles, position: int, images: Mapping[str, Sample]) -> dict[str, Any]:
    named = _named(files, position)
    sample = images.get(named["file"])
    return {**named, "image": thumbnails([sample], 1, side=SIDE)[0] if sample else ""}


def _origin(files: RunFiles) -> dict[str, Any]:
    """Where the run came from and how to go on: its images, the proof, its settings, commands."""
    metrics, run = files.metrics, files.folder.absolute()
    proofs = [(key.split("/")[1], value) for key, value in metrics.items() if PROOF.fullmatch(key)]
    proofs = proofs or ([("1", metrics["frozen/sha256"])] if "frozen/sha256" in metrics else [])
    return {
        "audit": files.audit,
        "splits": SPLITS,
        "proofs": proofs,
        "frozen_parameters": metrics.get("frozen/parameters", 0),
        "trained_parameters": metrics.get("trained/parameters", 0),
        "environment": files.environment,
        "settings": (run / "config.yaml").read_text(encoding="utf-8"),
        "commands": [(key, command) for key, command in _commands(files, shlex.quote(str(run)))],
    }


def _commands(files: RunFiles, run: str) -> Iterator[tuple[str, str]]:
    """What can be done next: the key of the sentence that says why, and the command."""
    if files.metrics.get("stopped"):
        yield "resume", f"ajuste-fino train resume={run}"
    yield "use", f"ajuste-fino predict run={run} images=FOLDER csv=predictions.csv"
    yield "judge", f"ajuste-fino evaluate run={run} data.root=FOLDER"
    if "trained/parameters" not in files.metrics:
        yield "ladder", f"ajuste-fino train config={run} phases=ladder"
    yield "repeat", f"ajuste-fino train config={run} seed=1"
    yield "explain", f"ajuste-fino report run={run}"
