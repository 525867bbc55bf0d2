"""Traps of classes: empty or tiny ones, those a split lacks, imbalance."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from ajuste_fino.data.inspection import Inspection
from ajuste_fino.data.kinds import unread_files
from ajuste_fino.data.names import natural
from ajuste_fino.data.sources.source import ONE_CLASS, Source
from ajuste_fino.data.traps.finding import Finding
from ajuste_fino.errors import listed
from ajuste_fino.escape import quoted

IMBALANCE = 10


def empty(inspection: Inspection) -> Iterator[Finding]:
    """Classes without an image; fewer classes than two."""
    lacking = sorted(inspection.found.classes - set(inspection.labels), key=natural)
    if lacking:
        others = _other_files(inspection)
        unread = [f"{quoted(name)} holds {files}." for name in lacking if (files := unread_files(others[name]))]
        fix = f"{' '.join(unread) or 'Fill or remove them.'}{_deeper(inspection)}"
        yield Finding("empty classes", "error", "data.root", "must hold an image of every class", fix, _none_of(lacking))
    if len(inspection.found.classes) < 2:
        got = ", ".join(inspection.found.classes)
        root = inspection.config.root
        fix = f"{root.one_class if isinstance(root, Source) else ONE_CLASS}{_deeper(inspection)}"
        yield Finding("one class", "error", "data.root", "must hold at least two classes", fix, got)


def _deeper(inspection: Inspection) -> str:
    """Where all images lie below one folder that holds folders: that these may be the classes."""
    root = inspection.config.root
    if len(inspection.labels) != 1 or isinstance(root, Source) or not root.is_dir():
        return ""
    folders = sorted({sample.file.rpartition("/")[0] for sample in inspection.samples})
    if len(folders) < 2 or any(sample.split for sample in inspection.found.samples):
        return ""
    base = os.path.commonpath(folders)
    names = list(dict.fromkeys(os.path.relpath(folder, base).split("/")[0] for folder in folders))
    if "." in names:
        return ""
    return f" If these are the folders in {base} ({listed(sorted(names, key=natural))}), pass data.root={root / base}."


def _none_of(labels: Iterable[str]) -> str:
    return f"none of {', '.join(quoted(label) for label in labels)}"


def _other_files(inspection: Inspection) -> dict[str, list[str]]:
    """The files that are no images, by the class in whose folder they lie."""
    files: dict[str, list[str]] = defaultdict(list)
    for other in inspection.found.non_images:
        files[other.label].append(other.file)
    return files


def absent(inspection: Inspection) -> Iterator[Finding]:
    """Classes that a split lacks: an error in train, a warning elsewhere."""
    labels = set(inspection.labels)
    if not inspection.split("val"):
        fix = "Bring at least three images of each class, or two with data.test=0."
        rule = "holds too few images for a validation split"
        yield Finding("no validation split", "error", "data.root", rule, fix, len(inspection.samples))
    lacking = sorted(labels - inspection.classes("train"), key=natural)
    if lacking:
        fix = _classes_inside(inspection, lacking) or "Add training images, or take the class out of the other splits."
        yield Finding("absent from train", "error", "train", "must hold every class", fix, _none_of(lacking))
    for split in ("val", "test"):
        missing = sorted(labels - inspection.classes(split), key=natural)
        if missing and inspection.split(split):
            rule = f"has no image of {', '.join(quoted(label) for label in missing)}"
            fix = "Its metrics leave them out."
            yield Finding(f"absent from {split}", "warning", f"The {split} split", rule, fix)


def _classes_inside(inspection: Inspection, lacking: list[str]) -> str:
    """What to do where folders taken for classes hold those of train: `train/cat`, and `test/public/cat`."""
    train = inspection.classes("train")
    nested = {folder: names for folder, (names, beside) in inspection.found.nested.items() if not beside}
    outer = [folder for folder, names in nested.items() if folder.rpartition("/")[2] in lacking and train & set(names)]
    if not outer:
        return ""
    inner = listed(sorted({name for folder in outer for name in nested[folder] if name in train}, key=natural))
    above = listed(outer)
    return f"Folders named as classes of train ({inner}) lie a level too deep; move them up, out of {above}, and remove these."


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
