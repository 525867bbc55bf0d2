"""Which layout a folder has: where its splits are, if it has any. What may be read in two ways is refused."""

from collections.abc import Iterator, Sequence

from ajuste_fino.data.layout_errors import has_training, refuse_beside, refuse_inside, refuse_splits, refuse_twice, split_names
from ajuste_fino.data.names import is_plain_split, is_unlabelled, natural, splits_of
from ajuste_fino.data.scan_result import ScanResult
from ajuste_fino.data.sources.storage import Place
from ajuste_fino.data.tree import Folder, Split
from ajuste_fino.errors import UserError, listed


def classes_in_splits(root: Place, tree: Folder, found: ScanResult) -> list[Split]:
    """The folders of the splits that hold the classes; none where the folders of the root are classes themselves.

    Raises:
        UserError: where splits and classes lie side by side, a split is there twice, or none is for training.
    """
    splits = _splits(tree)
    if not splits:
        return []
    taken = {split.folder.path for split in splits}
    others = [folder for folder in tree.folders if folder.path not in taken]
    if has_training(splits):
        labelled = [folder for folder in others if len(split_names(splits)) == 1 or not _is_unlabelled(folder)]
        if not labelled:
            found.unlabelled += [folder.path for folder in others]
            refuse_twice(splits)
            return _without_levels(root, splits)
        if _are_plain(splits):
            refuse_beside(root, splits, labelled)
    filled = [folder for folder in others if folder.total]
    if not _are_classes(splits, filled):
        if filled:
            refuse_beside(root, splits, filled)
        refuse_splits(root, splits)
    found.split_names += [split.folder.name for split in splits]
    return []


def _splits(folder: Folder) -> list[Split]:
    split_of = splits_of(inner.name for inner in folder.folders)
    inner = sorted(folder.folders, key=lambda inner: natural(inner.name))
    return [Split(folder, split_of[folder.name]) for folder in inner if folder.name in split_of]


def _is_unlabelled(folder: Folder) -> bool:
    """Whether a folder beside the splits holds images to predict: `pred/*`, also a level deeper, `seg_pred/seg_pred/*`."""
    while is_unlabelled(folder.name) and not folder.images and len(folder.folders) == 1:
        folder = folder.folders[0]
    return is_unlabelled(folder.name) and bool(folder.images) and not folder.folders


def _are_plain(splits: Sequence[Split]) -> bool:
    """Whether names that say splits can hardly be those of classes: by themselves, or because they are several."""
    return len(split_names(splits)) > 1 or any(is_plain_split(split.folder.name) for split in splits)


def _are_classes(splits: Sequence[Split], others: Sequence[Folder]) -> bool:
    """Whether folders named as splits are classes: beside one other, which alone is none, or where the names leave it open."""
    inside = {inner.name for split in splits for inner in split.folder.folders}
    if others:
        common = inside.intersection(inner.name for other in others for inner in other.filled)
        if len(common) + len(split_names(splits)) > 2:
            return False  # `oefenen/{cat,dog}` beside `test/{cat,dog}`: a split in a language that is not known here
        return inside.isdisjoint(other.name for other in others) and (len(others) == 1 or not _are_plain(splits))
    return len(splits) > 1 and not _are_plain(splits) and not inside


def _without_levels(root: Place, splits: Sequence[Split]) -> list[Split]:
    """The splits, each without folders that hold nothing but the folder of the classes, as in `train/train/cat`."""
    inner = [Split(_without_level(split, splits), split.name) for split in splits]
    for folder, _ in inner:
        below = _splits(folder)
        if _train(below) and len(below) == len(folder.folders) > 1:
            fix = f"Pass data.root={root / folder.path}, or move its folders up."
            raise UserError("data.root", f"holds splits in a split, {folder.path}", got=root, fix=fix)
    return inner


def _train(splits: Sequence[Split]) -> list[Folder]:
    """The folders for training that hold folders with images."""
    return [split.folder for split in splits if split.name == "train" and split.folder.filled]


def _without_level(split: Split, splits: Sequence[Split]) -> Folder:
    folder = split.folder
    beside = [other.folder for other in splits if other.folder.path != folder.path]
    elsewhere = {inner.name for other in beside for inner in other.folders}
    single = all(len(other.filled) < 2 for other in beside)
    while not folder.images and len(folder.filled) == len(folder.folders) == 1:
        only = folder.folders[0]
        again = only.name == folder.name or splits_of([only.name]).get(only.name) == split.name
        if (only.name in elsewhere and (again or not single)) or (not again and (only.images or len(only.filled) < 2)):
            break  # it is a class
        folder = only
    return folder


def refuse_above(root: Place, tree: Folder) -> None:
    """Refuse a root that holds folders with splits in them.

    Raises:
        UserError: where it is one.
    """
    if below := list(_data_sets(tree)):
        fix = f"Pass {'one of ' if len(below) > 1 else ''}{listed([f'data.root={root / folder.path}' for folder in below])}."
        if len(below) > 1:
            fix += f" Where they are classes, bring them into the splits: train/{below[0].name}, test/{below[0].name}."
        raise UserError("data.root", "lies above the splits", got=root, fix=fix)


def _data_sets(folder: Folder) -> Iterator[Folder]:
    """The folders below one that hold splits with classes in them."""
    for inner in folder.folders:
        splits = _splits(inner)
        train = _train(splits)
        if train and (len(split_names(splits)) > 1 or train[0].name.lower() == "train"):
            yield inner
        else:
            yield from _data_sets(inner)


def splits_in_classes(root: Place, tree: Folder) -> list[Split]:
    """The folders of the splits inside the classes, where every class has them and nothing else: `cat/train`, `dog/test`.

    Raises:
        UserError: where only some classes have them, hold other images as well, or have them further down.
    """
    inside = {folder.path: [split for split in _splits(folder) if split.folder.total] for folder in tree.filled}
    all_splits = [split for splits in inside.values() for split in splits]
    only_splits = all(len(inside[folder.path]) == len(folder.filled) and not folder.images for folder in tree.filled)
    if only_splits and "train" in split_names(all_splits):
        for splits in inside.values():
            refuse_twice(splits)
        return all_splits
    plain = [folder for folder in tree.filled if _are_plain(inside[folder.path])]
    parted = not only_splits or len(split_names(all_splits)) > 1  # as `cat/test`, `dog/test` alone are not
    if parted and (len(plain) > 1 or any(_can_only_be_splits(folder, inside[folder.path]) for folder in plain)):
        refuse_inside(
            root, [split for folder in plain for split in inside[folder.path]], "beside other images or without train"
        )
    if deep := [split for folder in tree.filled for split in _deep_splits(folder)]:
        refuse_inside(root, deep, "more than one level down")
    return []


def _deep_splits(folder: Folder) -> Iterator[Split]:
    """What can only be splits in the folders of a class, at whatever depth: `cat/images/train` beside `cat/images/test`."""
    for inner in folder.filled:
        splits = [split for split in _splits(inner) if split.folder.total]
        if _are_plain(splits) and _can_only_be_splits(inner, splits):
            yield from splits
        else:
            yield from _deep_splits(inner)


def _can_only_be_splits(folder: Folder, splits: Sequence[Split]) -> bool:
    """Whether the splits inside one class can hardly be meant otherwise: several, or one for testing beside images."""
    return len(split_names(splits)) > 1 or bool(folder.images and "train" not in split_names(splits))
