"""What is said of folders named as splits that may be read in two ways, or are none that can be trained on."""

from collections.abc import Sequence
from typing import NoReturn

from ajuste_fino.data.sources.storage import Place
from ajuste_fino.data.tree import Folder, Split
from ajuste_fino.errors import UserError, listed

TABLE = "list the files in a CSV with the columns file,label"


def split_names(splits: Sequence[Split]) -> set[str]:
    """Which of train, val and test there are."""
    return {split.name for split in splits}


def has_training(splits: Sequence[Split]) -> bool:
    """Whether one is for training and holds folders."""
    return any(split.name == "train" and split.folder.folders for split in splits)


def refuse_beside(root: Place, splits: Sequence[Split], others: Sequence[Folder]) -> NoReturn:
    """Splits and other folders side by side, which may be classes, all of them or the others."""
    names, beside = _names(splits), listed([folder.path for folder in others])
    as_split, as_class = _whether(splits)
    rename = f"{as_class}, rename {_them(splits)}, such as to {_renamed(splits)}, or {TABLE}."
    inside = {inner.name for split in splits for inner in split.folder.filled}
    alike = any(inner.name in inside for folder in others for inner in folder.filled)
    if has_training(splits):
        as_splits = "Name these folders val or test where they are splits. " if alike else ""
        fix = f"{as_splits}Move these folders away or into the splits: {beside}. {rename}"
        raise UserError("data.root", "holds splits and other folders side by side", got=root, fix=fix)
    if alike:
        way = "name the folder of the training images train, and others, if there are, val or test"
    elif any(split.folder.folders for split in splits):
        way = f"move the other folders into a folder train beside {_them(splits)}"
    elif split_names(splits) == {"train"}:
        way = f"move the images into the folders of their classes and remove {_them(splits)}"
    else:
        predicted = "" if "train" in split_names(splits) else f"; predict takes {_them(splits)}"
        way = f"move {_them(splits)} out of data.root{predicted}"
    rule = f"holds {names}, named as {'a split' if len(splits) == 1 else 'splits'}, beside {beside}"
    raise UserError("data.root", rule, got=root, fix=f"{as_split}, {way}. {rename}")


def refuse_splits(root: Place, splits: Sequence[Split]) -> NoReturn:
    """Splits alone, and none for training that holds classes."""
    deep = next((split.folder for split in splits if split.folder.folders), None)
    as_split, as_class = _whether(splits)
    if "train" in split_names(splits) or deep is None:
        # class_train and class_test alone would be splits again
        rename = f"{as_class}, rename {_them(splits)}, such as to {listed([f'class_{n + 1}' for n in range(len(splits))])}"
        each = "it" if len(splits) == 1 else "each of them"
        fix = f"{as_split}, make a folder for each class in {each}, or {TABLE},split. {rename}, or {TABLE}."
        raise UserError("data.root", f"has splits without folders of classes ({_names(splits)})", got=root, fix=fix)
    fix = f"Name the folder of the training images train, or pass data.root={root / deep.path}."
    raise UserError("data.root", "has splits but none for training", got=root, fix=fix)


def refuse_inside(root: Place, splits: Sequence[Split], where: str) -> NoReturn:
    """Splits inside the classes that cannot be taken for such."""
    fix = (
        "Bring all images of every class into class/train, class/val or class/test, or into train/class and so on; "
        f"where these are no splits, rename them or {TABLE}: {_names(splits)}."
    )
    raise UserError("data.root", f"holds splits in its classes, {where}", got=root, fix=fix)


def refuse_twice(splits: Sequence[Split]) -> None:
    """Refuse two folders for one split, where there are such."""
    if len(split_names(splits)) < len(splits):
        fix = "Keep one folder for each of train, val and test; rename one that is meant as another."
        taken = ", ".join(f"{split.folder.path} → {split.name}" for split in splits)
        raise UserError("data.root", "has two folders for one split", got=taken, fix=fix)


def _whether(splits: Sequence[Split]) -> tuple[str, str]:
    if len(splits) == 1:
        return f"Where {_names(splits)} is a split", "Where it is a class"
    return f"Where {_names(splits)} are splits", "Where they are classes"


def _them(splits: Sequence[Split]) -> str:
    return "it" if len(splits) == 1 else "them"


def _renamed(splits: Sequence[Split]) -> str:
    """Names for classes, none of which says a split, whatever lies beside."""
    return listed([f"class_{'_'.join(split.folder.name.split())}" for split in splits])


def _names(splits: Sequence[Split]) -> str:
    return listed([split.folder.path for split in splits])
