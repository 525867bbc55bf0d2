"""Which layout a folder has: where its splits are, if it has any. What may be read in two ways is refused."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from ajuste_fino.data.names import is_plain_split, natural, splits_of
from ajuste_fino.data.scan_result import ScanResult
from ajuste_fino.data.tree import Folder
from ajuste_fino.errors import UserError

MOST = 10  # names in a sentence
TABLE = "list the files in a CSV with the columns file,label"


class Split(NamedTuple):
    """A folder of a split."""

    folder: Folder
    name: str


def classes_in_splits(root: Path, tree: Folder, found: ScanResult) -> list[Split]:
    """The folders of the splits that hold the classes; none where the folders of the root are classes themselves.

    Raises:
        UserError: where splits and classes lie side by side, a split is there twice, or none is for training.
    """
    splits = _splits(tree)
    if not splits:
        return []
    taken = {one.folder.path for one in splits}
    others = [folder for folder in tree.folders if folder.path not in taken]
    filled = [folder for folder in others if folder.total]
    if any(one.name == "train" and one.folder.folders for one in splits) and (not others or _are_plain(splits)):
        if others:
            _refuse_beside(root, splits, others)
        _refuse_twice(splits)
        return _without_levels(root, splits)
    if not _are_classes(splits, filled):
        if filled:
            _refuse_beside(root, splits, filled)
        _refuse_splits(root, splits)
    found.split_names += [one.folder.name for one in splits]
    return []


def _splits(folder: Folder) -> list[Split]:
    inner = sorted(folder.folders, key=lambda folder: natural(folder.name))
    said = splits_of(one.name for one in inner)
    return [Split(one, said[one.name]) for one in inner if one.name in said]


def _are_plain(splits: Sequence[Split]) -> bool:
    """Whether names that say splits can hardly be those of classes: by themselves, or because they are several."""
    return len({one.name for one in splits}) > 1 or any(is_plain_split(one.folder.name) for one in splits)


def _are_classes(splits: Sequence[Split], others: Sequence[Folder]) -> bool:
    """Whether folders named as splits are classes: beside one other, which alone is none, or where the names leave it open."""
    holds_classes = any(inner.name in [other.name for other in others] for one in splits for inner in one.folder.folders)
    if others:
        return not holds_classes and (len(others) == 1 or not _are_plain(splits))
    return len(splits) > 1 and not _are_plain(splits) and not any(one.folder.folders for one in splits)


def _refuse_beside(root: Path, splits: Sequence[Split], others: Sequence[Folder]) -> NoReturn:
    names, beside = _names(splits), _listed(others)
    if any(one.name == "train" and one.folder.folders for one in splits):
        fix = f"Move these folders away or into the splits: {beside}. Where {names} are classes, rename them or {TABLE}."
        raise UserError("data.root", "holds splits and other folders side by side", got=root, fix=fix)
    deep = any(one.folder.folders for one in splits)
    way = "move the other folders into a folder train beside it" if deep else "move it out of data.root; predict takes it"
    fix = f"Where it is a split, {way}. Where it is a class, rename it, such as to class_{splits[0].folder.name}, or {TABLE}."
    raise UserError("data.root", f"holds {names}, named as a split, beside {beside}", got=root, fix=fix)


def _refuse_splits(root: Path, splits: Sequence[Split]) -> NoReturn:
    """Splits alone, and none for training that holds classes."""
    deep = next((one.folder for one in splits if one.folder.folders), None)
    if any(one.name == "train" for one in splits) or deep is None:
        fix = f"Make a folder for each class in each of them, or {TABLE},split."
        raise UserError("data.root", f"has splits without folders of classes ({_names(splits)})", got=root, fix=fix)
    fix = f"Name one of its folders train, or pass data.root={root / deep.path}."
    raise UserError("data.root", "has splits but none for training", got=root, fix=fix)


def _refuse_twice(splits: Sequence[Split]) -> None:
    if len({one.name for one in splits}) < len(splits):
        fix = "Keep one folder for each of train, val and test; rename one that is meant as another."
        taken = ", ".join(f"{one.folder.path} → {one.name}" for one in splits)
        raise UserError("data.root", "has two folders for one split", got=taken, fix=fix)


def _without_levels(root: Path, splits: Sequence[Split]) -> list[Split]:
    """The splits, each without folders that hold nothing but the folder of the classes, as in `train/train/cat`."""
    inner = [Split(_without_level(one, splits), one.name) for one in splits]
    for one in inner:
        below = _splits(one.folder)
        if any(two.name == "train" and two.folder.filled for two in below) and len(below) == len(one.folder.folders) > 1:
            fix = f"Pass data.root={root / one.folder.path}, or move its folders up."
            raise UserError("data.root", f"holds splits in a split, {one.folder.path}", got=root, fix=fix)
    return inner


def _without_level(split: Split, splits: Sequence[Split]) -> Folder:
    folder = split.folder
    beside = [one.folder for one in splits if one.folder.path != folder.path]
    elsewhere = {inner.name for one in beside for inner in one.folders}
    single = all(len(one.filled) < 2 for one in beside)
    while not folder.images and len(folder.filled) == len(folder.folders) == 1:
        only = folder.folders[0]
        again = only.name == folder.name or splits_of([only.name]).get(only.name) == split.name
        if (only.name in elsewhere and (again or not single)) or (not again and (only.images or len(only.filled) < 2)):
            break  # it is a class
        folder = only
    return folder


def refuse_above(root: Path, tree: Folder) -> None:
    """Refuse a root that holds folders with splits in them.

    Raises:
        UserError: where it is one.
    """
    if below := list(_data_sets(tree)):
        each = ", or ".join(f"data.root={root / folder.path}" for folder in below[:MOST])
        fix = f"Pass {each}."
        if len(below) > 1:
            fix += f" Where they are classes, bring them into the splits: train/{below[0].name}, test/{below[0].name}."
        raise UserError("data.root", "lies above the splits", got=root, fix=fix)


def _data_sets(folder: Folder) -> Iterator[Folder]:
    """The folders below one that hold splits with classes in them."""
    for inner in folder.folders:
        splits = _splits(inner)
        train = [one for one in splits if one.name == "train" and one.folder.filled]
        if train and (len({one.name for one in splits}) > 1 or train[0].folder.name.lower() == "train"):
            yield inner
        else:
            yield from _data_sets(inner)


def splits_in_classes(root: Path, tree: Folder) -> list[Split]:
    """The folders of the splits inside the classes, where every class has them and nothing else: `cat/train`, `dog/test`.

    Raises:
        UserError: where only some classes have them, or hold other images as well.
    """
    splits = {folder.path: [one for one in _splits(folder) if one.folder.total] for folder in tree.filled}
    inner = [one for each in splits.values() for one in each]
    names = {one.name for one in inner}
    only_splits = all(len(splits[folder.path]) == len(folder.filled) and not folder.images for folder in tree.filled)
    if only_splits and "train" in names:
        for each in splits.values():
            _refuse_twice(each)
        return inner
    plain = [folder for folder in tree.filled if splits[folder.path] and _are_plain(splits[folder.path])]
    one_word = only_splits and len(names) == 1  # `cat/test`, `dog/test`: nothing is parted
    if not one_word and (len(plain) > 1 or any(_looks_split(folder, splits[folder.path]) for folder in plain)):
        inside = [one.folder for folder in plain for one in splits[folder.path]]
        fix = (
            "Bring all images of every class into class/train, class/val or class/test, or into train/class and so on; "
            f"where these are no splits, rename them or {TABLE}: {_listed(inside)}."
        )
        raise UserError("data.root", "holds splits in its classes, beside other images or without train", got=root, fix=fix)
    return []


def _looks_split(folder: Folder, splits: Sequence[Split]) -> bool:
    """Whether the splits inside one class can hardly be meant otherwise: several, or one for testing beside images."""
    names = {one.name for one in splits}
    return len(names) > 1 or bool(folder.images and "train" not in names)


def _names(splits: Sequence[Split]) -> str:
    return _listed([one.folder for one in splits])


def _listed(folders: Sequence[Folder]) -> str:
    more = ["…"] if len(folders) > MOST else []
    return ", ".join([folder.path for folder in folders[:MOST]] + more)
