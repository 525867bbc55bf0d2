"""The images of a folder: a folder for each class, perhaps inside a folder for each split, or around them."""

from collections.abc import Iterator
from pathlib import Path

from ajuste_fino.data.content import BadImage
from ajuste_fino.data.layout import classes_in_splits, refuse_above, splits_in_classes
from ajuste_fino.data.names import SPLIT_NAMES, natural
from ajuste_fino.data.sample import Sample
from ajuste_fino.data.scan_result import NoImage, ScanResult
from ajuste_fino.data.sources.storage import Place, image_at
from ajuste_fino.data.tree import Folder, Split, read_tree
from ajuste_fino.errors import UserError


def scan_folder(root: Path) -> ScanResult:
    """`root/class/*`, `root/{train,val,test}/class/*` or `root/class/{train,val,test}/*`, splits also in other words.

    Raises:
        UserError: where the layout is none of these, or may be several, or a folder cannot be read.
    """
    found = ScanResult()
    add_samples(root, read_tree(root, found), found)
    return found


def add_samples(root: Place, tree: Folder, found: ScanResult) -> None:
    """Add to `found` what a folder that was read holds, after its layout was judged.

    Raises:
        UserError: where the layout is none of those of `scan_folder`, or may be several.
    """
    found.stray += _files(tree)
    splits = classes_in_splits(root, tree, found)
    if splits:
        _add_splits(root, splits, found)
        return
    refuse_above(root, tree)
    if inner := splits_in_classes(root, tree):
        found.split_folders += [f"{split.folder.path} → {split.name}" for split in inner]
    _add_classes(root, tree, {split.folder.path: split.name for split in inner}, found)


def _add_splits(root: Place, splits: list[Split], found: ScanResult) -> None:
    plain = all(split.folder.path.lower() in SPLIT_NAMES for split in splits)
    found.split_folders += [] if plain else [f"{split.folder.path} → {split.name}" for split in splits]
    found.empty_splits += [split.folder.path for split in splits if not split.folder.total]
    for split in splits:
        found.stray += [split.folder.inside(name) for name in _files(split.folder)]
        _add_classes(root, split.folder, {split.folder.path: split.name}, found)


def _add_classes(root: Place, base: Folder, splits: dict[str, str], found: ScanResult) -> None:
    """Add the samples of each class folder; `splits` has those of folders by path, which count for all below."""
    for folder in sorted(base.folders, key=lambda folder: natural(folder.name)):
        if not _is_unicode(folder.name):
            fix = "Rename that folder; its name is in the letters of an older system, as archives bring them along."
            raise UserError("data.root", "must hold classes whose names are Unicode", got=folder.name, fix=fix)
        found.classes.add(folder.name)
        if folder.linked:
            found.outside.append(folder.path)
        if folder.filled and not any(inner.path in splits for inner in folder.filled):
            found.nested[folder.path] = ([inner.name for inner in folder.filled], bool(folder.images))
        _add_samples(root, folder, folder.name, splits.get(base.path, ""), splits, found)


def _add_samples(root: Place, folder: Folder, label: str, split: str, splits: dict[str, str], found: ScanResult) -> None:
    """Add what a folder and those below it hold: samples, and files that are no images by their names."""
    split, here = splits.get(folder.path, split), root / folder.path
    for name in folder.images:
        file = f"{folder.path}/{name}"
        if _is_unicode(file):
            found.samples.append(Sample(image_at(here / name), file, label, split))
        else:
            found.non_images.append(NoImage(file, label, "a name that is not Unicode"))
    found.non_images += [NoImage(f"{folder.path}/{name}", label, reason) for name, reason in folder.others.items()]
    for inner in folder.folders:
        _add_samples(root, inner, label, split, splits, found)


def _files(folder: Folder) -> list[str]:
    return sorted([*folder.images, *folder.others], key=natural)


def _is_unicode(name: str) -> bool:
    """Whether a file's name is Unicode, as every table that names it is; old archives make others."""
    return name.isascii() or name.encode("utf-8", "replace").decode() == name


def images_below(folder: Path) -> tuple[list[Path], list[BadImage]]:
    """Every image below a folder, in the order in which people count, and what is left out, with the reason.

    Raises:
        UserError: where a folder cannot be read.
    """
    found, images, others = ScanResult(), list[Path](), list[BadImage]()
    for below in _all(read_tree(folder, found, links=False)):
        images += [folder / below.path / name for name in below.images]
        others += [BadImage(below.inside(name), reason) for name, reason in below.others.items()]
    others += [BadImage(name, "hidden, or left there by a system or a program") for name in found.hidden]
    others += [BadImage(name, "a folder that this program wrote") for name in found.results]
    others += [BadImage(name, "a link to a folder, which is not followed") for name in found.links]
    return sorted(images, key=lambda path: natural(str(path))), others


def _all(folder: Folder) -> Iterator[Folder]:
    yield folder
    for inner in folder.folders:
        yield from _all(inner)
