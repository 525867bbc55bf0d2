"""Traps of names: classes whose names look the same, are a split's elsewhere, or sort two ways; folders in classes."""

import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from ajuste_fino.data.inspection import Inspection
from ajuste_fino.data.names import alike, natural, splits_of, written_apart
from ajuste_fino.data.traps.finding import Finding
from ajuste_fino.errors import listed

# words of folders whose images belong to those of a folder beside them: masks, labels as images
MASKS = {
    *("mask", "masks", "gt", "truth", "groundtruth", "annotation", "annotations", "label", "labels", "trimap", "trimaps"),
    *("segmentation", "segmentations", "segmentada", "seg", "overlay", "overlays", "mascara", "mascaras"),
}
MOST_SPLITS = 3  # train, val and test


def same(inspection: Inspection) -> Iterator[Finding]:
    """Class names that differ by case alone, or by what is not seen: spaces, Unicode's ways to write the same."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in sorted(inspection.found.classes):
        groups[alike(name)].append(name)
    several = [group for group in groups.values() if len(group) > 1]
    by_case = [", ".join(group) for group in several if len({name.casefold() for name in group}) == 1]
    others = [group for group in several if len({name.casefold() for name in group}) > 1]
    if by_case:
        fix = "They are classes of their own here, and one folder on Windows and macOS; join or rename them:"
        yield Finding("names by case", "warning", "data.root", "has class names that differ by case alone", fix, files=by_case)
    if others:
        rule = "has class names that look the same, but for case, spaces, hyphens, quotes or signs that are not seen"
        fix = "They are classes of their own; join them:"
        files, shown = ([", ".join(group) for group in groups] for groups in (others, map(written_apart, others)))
        yield Finding("names alike", "warning", "data.root", rule, fix, files=files, shown=shown)


def by_number(inspection: Inspection) -> Iterator[Finding]:
    """Class names that other programs put in another order."""
    pair = next(((a, b) for a, b in pairwise(inspection.labels) if a > b), None)
    if pair:
        rule = f"has class names that sort differently as numbers and as texts: {pair[0]} comes before {pair[1]} here"
        fix = "Labels travel by name, so nothing shifts; a program that counts folders would number them otherwise."
        yield Finding("names by number", "note", "data.root", rule, fix)


def splits(inspection: Inspection) -> Iterator[Finding]:
    """Folders taken for splits where that is not plain, beside them one without classes; classes named as a split."""
    found = inspection.found
    if found.split_folders:
        rule = "has splits under other names, or not at its top"
        fix = "They are taken so; rename them where that is wrong:"
        yield Finding("splits by other names", "warning", "data.root", rule, fix, files=found.split_folders)
    if found.unlabelled:
        rule = "holds images without a class beside its splits"
        fix = "They are passed over; predict takes them:"
        yield Finding("images without a class", "warning", "data.root", rule, fix, files=found.unlabelled)
    if found.empty_splits:
        rule = f"has splits without an image: {listed(found.empty_splits)}"
        fix = "They are passed over, and a validation split is taken out of train where there is none; fill or remove them."
        yield Finding("empty splits", "warning", "data.root", rule, fix)
    if found.split_names:
        rule = f"has classes named as a split is: {', '.join(found.split_names)}"
        fix = "Each is a class here and trained on; move it out of data.root if it is a split."
        yield Finding("a split's name", "warning", "data.root", rule, fix)


def nested(inspection: Inspection) -> Iterator[Finding]:
    """Folders inside the class folders, which may be classes themselves, or hold what is to be left out."""
    found = inspection.found.nested
    if not found:
        return
    alone = {folder: names for folder, (names, beside) in found.items() if not beside}
    every = {frozenset(names) for names, _ in found.values()}
    # `2023/cat` beside `2024/dog`; but `cat/images` beside `dog/images`, or `cat/cat`, leave no doubt
    others = len(every) > 1 and any(folder.rpartition("/")[2] not in names for folder, names in alone.items())
    several = any(len(names) > 1 for names in alone.values())
    the_same = len(every) == 1 and len(found) == len(inspection.found.classes) > 1  # `cat/front`, `dog/front`: parts of classes
    marked = any(splits_of(names) or _has_masks(names) for names, _ in found.values())
    doubtful = marked or (not the_same and (several or others))
    files = [f"{folder}: {listed(names)}" for folder, (names, _) in found.items()]
    rule = "has folders inside its class folders"
    fix = "Their images count for the class at the top; if they are the classes, move them up:"
    common = frozenset.intersection(*every)
    in_splits = len(common) > 1 and len(alone) == len(inspection.found.classes) <= MOST_SPLITS and "/" not in "".join(found)
    if the_same or in_splits:
        rule = f"has the same folders in every class folder, {listed(sorted(common, key=natural))}"
        fix = _parts_of_classes([folder.rpartition("/")[2] for folder in found], in_splits)
    yield Finding("folders in classes", "warning" if doubtful or in_splits else "note", "data.root", rule, fix, files=files)


def _parts_of_classes(folders: list[str], in_splits: bool) -> str:
    """What to do where all folders hold the same folders: these are parts of classes, or classes in what may be splits."""
    tops = listed(sorted(folders, key=natural))
    otherwise = "If the folders inside are the classes, bring the images of each together in one folder."
    if in_splits:
        otherwise = f"If {tops} are splits, name that of the training images train, the others val and test."
    return (
        f"{otherwise} If {tops} are the classes, move away what is not to be learnt from;"
        " as it is, all images in them count for the class at the top:"
    )


def _has_masks(names: list[str]) -> bool:
    return any(word in MASKS for name in names for word in re.findall(r"[^\W\d_]+", name.lower()))
