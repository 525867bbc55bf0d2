"""Traps of classes: empty or tiny ones, those a split lacks, names that are nearly the same or sort two ways, imbalance."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from ajuste_fino.data.inspection import Inspection
from ajuste_fino.data.kinds import unread_files
from ajuste_fino.data.names import natural
from ajuste_fino.data.traps.finding import Finding

IMBALANCE = 10


def empty(inspection: Inspection) -> Iterator[Finding]:
    """Classes without an image; fewer classes than two."""
    lacking = sorted(inspection.found.classes - set(inspection.labels), key=natural)
    if lacking:
        got = f"none of {', '.join(lacking)}"
        unread = [f"{name} holds {files}." for name in lacking if (files := unread_files(_files_of(name, inspection)))]
        fix = " ".join(unread) or "Fill or remove them."
        yield Finding("empty classes", "error", "data.root", "must hold an image of every class", fix, got)
    if len(inspection.found.classes) < 2:
        got = ", ".join(inspection.found.classes)
        yield Finding("one class", "error", "data.root", "must hold at least two classes", "Make a folder for each class.", got)


def _files_of(name: str, inspection: Inspection) -> list[str]:
    """The files in the folder of a class that are no images."""
    return [file for file in inspection.found.non_images if f"/{name}/" in f"/{file}"]


def absent(inspection: Inspection) -> Iterator[Finding]:
    """Classes that a split lacks: an error in train, a warning elsewhere."""
    labels = set(inspection.labels)
    if not inspection.split("val"):
        fix = "Bring at least three images of each class, or two with data.test=0."
        rule = "holds too few images for a validation split"
        yield Finding("no validation split", "error", "data.root", rule, fix, len(inspection.samples))
    lacking = sorted(labels - inspection.classes("train"), key=natural)
    if lacking:
        fix = "Add training images, or take the class out of the other splits."
        yield Finding("absent from train", "error", "train", "must hold every class", fix, f"none of {', '.join(lacking)}")
    for split in ("val", "test"):
        missing = sorted(labels - inspection.classes(split), key=natural)
        if missing and inspection.split(split):
            rule = f"has no image of {', '.join(missing)}"
            fix = "Its metrics leave them out."
            yield Finding(f"absent from {split}", "warning", f"The {split} split", rule, fix)


def tiny(inspection: Inspection) -> Iterator[Finding]:
    """Classes of one image."""
    count = Counter(sample.label for sample in inspection.samples)
    ones = [label for label in inspection.labels if count[label] == 1]
    if ones:
        rule = f"has only one image of {', '.join(ones)}"
        fix = "Add images, or remove the class: one image cannot serve training and test."
        yield Finding("one-image classes", "warning", "data.root", rule, fix)


def imbalance(inspection: Inspection) -> Iterator[Finding]:
    """A class with many times the training images of another."""
    count = Counter(sample.label for sample in inspection.split("train"))
    if len(count) < 2:
        return
    (most, many), (least, few) = count.most_common()[0], count.most_common()[-1]
    if many > IMBALANCE * few:
        rule = f"has {many} training images of {most} and {few} of {least}"
        fix = (
            "Look at macro F1, which counts every class alike, rather than at the accuracy; "
            "imbalance=weights or imbalance=sampler finds more of the rare class."
        )
        yield Finding("imbalance", "warning", "data.root", rule, fix)


def names(inspection: Inspection) -> Iterator[Finding]:
    """Class names that differ by case alone, or that other programs put in another order."""
    by_case: dict[str, list[str]] = defaultdict(list)
    for name in sorted(inspection.found.classes):
        by_case[name.casefold()].append(name)
    same = [", ".join(group) for group in by_case.values() if len(group) > 1]
    if same:
        fix = "They are classes of their own here, and one folder on Windows and macOS; join or rename them:"
        yield Finding("names by case", "warning", "data.root", "has class names that differ by case alone", fix, files=same)
    if sorted(inspection.labels) != inspection.labels:
        pair = next((a, b) for a, b in zip(inspection.labels, inspection.labels[1:], strict=False) if a > b)
        rule = f"has class names that sort differently as numbers and as texts: {pair[0]} comes before {pair[1]} here"
        fix = "Labels travel by name, so nothing shifts; a program that counts folders would number them otherwise."
        yield Finding("names by number", "note", "data.root", rule, fix)
