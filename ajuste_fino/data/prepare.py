"""From a folder to samples one can train on: found, decoded, free of contradictions, split."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ajuste_fino.data.check import Progress, check
from ajuste_fino.data.images import BadImage
from ajuste_fino.data.scan import Sample, natural, scan
from ajuste_fino.data.split import assign, give_back
from ajuste_fino.errors import UserError, some
from ajuste_fino.files import read_csv

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Table:
    """The samples of a run, the labels in the order of the logits, and what the user should know."""

    samples: list[Sample]
    labels: list[str]
    skipped: list[BadImage]
    warnings: list[str]

    def of(self, split: str) -> list[Sample]:
        return [sample for sample in self.samples if sample.split == split]

    def targets(self, samples: Sequence[Sample]) -> list[int]:
        """The labels' numbers, by name."""
        number = {label: n for n, label in enumerate(self.labels)}
        return [number[sample.label] for sample in samples]


@dataclass(frozen=True)
class Source:
    """Where pictures come from, and what is done when some are bad."""

    root: Path
    split: Path | None = None
    val: float = 0.2
    test: float = 0.2
    on_bad_image: str = "error"
    max_skipped: float = 0.01

    def __post_init__(self) -> None:
        if self.on_bad_image not in ("error", "skip"):
            raise UserError(
                "data.on_bad_image", "must be error or skip", got=self.on_bad_image, fix="skip goes on without them."
            )


def prepare(source: Source, seed: int, workers: int, progress: Progress) -> Table:
    """Find, check and split the pictures of a folder or CSV.

    Raises:
        UserError: where pictures are bad (and `on_bad_image` is error, or too many are), a class has none, a class is
            absent from train, or the same picture lies in two splits.
    """
    found = scan(source.root)
    samples, bad = check(found.samples, workers, progress)
    samples, contradictory = _one_label_each(samples)
    strangers = [BadImage(file, "not a picture by its name, or a name that is not Unicode") for file in found.strangers]
    skipped = bad + contradictory + strangers
    _judge(skipped, source, len(found.samples) + len(strangers))
    samples, unknown = give_back(samples, source.split) if source.split else (samples, [])
    samples = assign(samples, source.val, source.test, seed)
    _refuse_empty(found.classes, samples)
    _refuse_leaks(samples)
    labels = sorted({sample.label for sample in samples}, key=natural)
    table = Table(samples, labels, skipped, [])
    table.warnings.extend(_warnings(table, found.ignored, unknown))
    return table


def _one_label_each(samples: list[Sample]) -> tuple[list[Sample], list[BadImage]]:
    by_content: dict[str, dict[str, Sample]] = defaultdict(dict)
    for sample in samples:
        by_content[sample.sha256].setdefault(sample.label, sample)
    double = {content: same for content, same in by_content.items() if len(same) > 1}
    bad = [
        BadImage(s.file, f"the same picture under several labels: {', '.join(double[s.sha256])}")
        for s in samples
        if s.sha256 in double
    ]
    return [sample for sample in samples if sample.sha256 not in double], bad


def _judge(bad: list[BadImage], source: Source, total: int) -> None:
    if not bad:
        return
    rule = f"holds {len(bad)} of {total} files that cannot be trained on"
    files = some([str(one) for one in bad])
    if source.on_bad_image == "error":
        raise UserError(
            "data.root", rule, fix=f"Move them away, or pass data.on_bad_image=skip to go on without them:\n{files}"
        )
    if len(bad) > source.max_skipped * total:
        fix = f"More than data.max_skipped={source.max_skipped:g} of all would be skipped; mend them or raise it:\n{files}"
        raise UserError("data.root", rule, fix=fix)


def _refuse_empty(classes: set[str], samples: list[Sample]) -> None:
    present = {split: {s.label for s in samples if s.split == split} for split in SPLITS}
    empty = sorted(classes - set().union(*present.values()), key=natural)
    if empty:
        raise UserError(
            "data.root", "must hold a picture of every class", got=f"none of {', '.join(empty)}", fix="Fill or remove them."
        )
    if not any(sample.split == "val" for sample in samples):
        fix = "Bring at least three pictures of each class, or two with data.test=0."
        raise UserError("data.root", "holds too few pictures for a validation split", got=len(samples), fix=fix)
    absent = sorted(classes - present["train"], key=natural)
    if absent:
        fix = "Add training pictures, or take the class out of the other splits."
        raise UserError("train", "must hold every class", got=f"none of {', '.join(absent)}", fix=fix)
    if len(classes) < 2:
        raise UserError(
            "data.root", "must hold at least two classes", got=", ".join(classes), fix="Make a folder for each class."
        )


def _refuse_leaks(samples: list[Sample]) -> None:
    splits: dict[str, dict[str, str]] = defaultdict(dict)
    for sample in samples:
        splits[sample.sha256].setdefault(sample.split, sample.file)
    leaks = [" = ".join(places.values()) for places in splits.values() if len(places) > 1]
    if leaks:
        fix = f"Keep one of each, or the figures say nothing:\n{some(leaks)}"
        raise UserError("data.root", "has the same picture in two splits", got=f"{len(leaks)} of them", fix=fix)


def _warnings(table: Table, ignored: list[str], unknown: list[str]) -> list[str]:
    notes = []
    for split in SPLITS[1:]:
        absent = sorted(set(table.labels) - {s.label for s in table.of(split)}, key=natural)
        if absent and table.of(split):
            notes.append(f"The {split} split has no picture of {', '.join(absent)}: its figures do not speak of them.")
    ignored = list(dict.fromkeys(ignored))  # the root is looked at twice
    if ignored:
        notes.append(f"Passed over {len(ignored)} hidden or stray entries:\n{some(ignored)}")
    if unknown:
        notes.append(f"{len(unknown)} pictures are not in the split file and were left out:\n{some(unknown)}")
    if table.skipped:
        notes.append(f"Skipped {len(table.skipped)} files:\n{some([str(one) for one in table.skipped])}")
    return notes


def unsplit(source: Source, workers: int, progress: Progress) -> Table:
    """The pictures of a folder to judge a trained model by: its test split, or all of them where it has no splits."""
    found = scan(source.root)
    samples, bad = check(found.samples, workers, progress)
    _judge(bad, source, len(found.samples))
    tests = [sample for sample in samples if sample.split == "test"]
    samples = [replace(sample, split="test") for sample in tests or samples]
    table = Table(samples, sorted({s.label for s in samples}, key=natural), bad, [])
    table.warnings.extend(_warnings(table, found.ignored, []))
    return table


def set_aside(table: Path, root: Path, workers: int, progress: Progress) -> Table:
    """The test split that a run wrote to its `split.csv`, each picture still the one it was.

    Raises:
        UserError: where it is empty, or a picture is missing or changed.
    """
    rows = [row for row in read_csv(table) if row.get("split") == "test"]
    if not rows:
        raise UserError(str(table), "sets no test split aside", fix="Pass data.root=FOLDER with pictures to judge by.")
    base = root if root.is_dir() else root.parent
    samples, bad = check([Sample(base / r["file"], r["file"], r["label"], "test") for r in rows], workers, progress)
    then = {row["file"]: row["sha256"] for row in rows}
    changed = [BadImage(s.file, "not the picture it was") for s in samples if s.sha256 != then[s.file]]
    _judge(bad + changed, Source(root), len(rows))
    return Table(samples, sorted({s.label for s in samples}, key=natural), [], [])
