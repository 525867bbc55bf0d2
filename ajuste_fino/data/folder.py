"""The images of a folder: a folder for each class, perhaps inside a folder for each split."""

import os
from collections.abc import Iterator
from pathlib import Path

from ajuste_fino.data.images import BadImage, ImageFile, why_no_image
from ajuste_fino.data.names import SPLIT_NAMES, is_clutter, natural
from ajuste_fino.data.sample import Sample
from ajuste_fino.data.scan_result import ScanResult
from ajuste_fino.errors import UserError


def scan_folder(root: Path) -> ScanResult:
    """`root/class/*` or `root/{train,val|valid|validation,test}/class/*`.

    Raises:
        UserError: where the layout is neither.
    """
    found = ScanResult()
    folders = list(_folders(root, found))
    splits = [folder for folder in folders if folder.name.lower() in SPLIT_NAMES]
    if any(SPLIT_NAMES[folder.name.lower()] == "train" for folder in splits):
        _refuse_mixture(root, folders, splits)
        for folder in splits:
            _scan_classes(root, folder, SPLIT_NAMES[folder.name.lower()], found)
        return found
    if splits and len(splits) == len(folders):
        raise UserError(
            "data.root",
            "has splits but none for training",
            got=root,
            fix=f"Name one of its folders train, or pass data.root={folders[0]}.",
        )
    for folder in folders:
        if any(SPLIT_NAMES.get(inner.name.lower()) == "train" and inner.is_dir() for inner in folder.iterdir()):
            raise UserError("data.root", "lies above the splits", got=root, fix=f"Pass data.root={folder}.")
    _scan_classes(root, root, "", found)
    return found


def _refuse_mixture(root: Path, folders: list[Path], splits: list[Path]) -> None:
    others = [folder.name for folder in folders if folder not in splits]
    if others:
        fix = "Move these folders away or into the splits, or rename a class that is called train: " + ", ".join(others[:10])
        raise UserError("data.root", "holds splits and other folders side by side", got=root, fix=fix)
    names = [SPLIT_NAMES[folder.name.lower()] for folder in splits]
    if len(set(names)) < len(names):
        fix = "Keep one folder for each of train, val and test."
        raise UserError("data.root", "has two folders for one split", got=[folder.name for folder in splits], fix=fix)


def _folders(root: Path, found: ScanResult) -> Iterator[Path]:
    for entry in sorted(root.iterdir(), key=lambda entry: natural(entry.name)):
        if is_clutter(entry.name):
            found.hidden.append(entry.name)
        elif entry.is_dir() and _leads_back(entry, root):
            found.links.append(entry.name)
        elif entry.is_dir():
            yield entry
        else:
            found.stray.append(entry.name)


def _leads_back(entry: Path, root: Path) -> bool:
    """Whether a folder is a link to one that holds it, or into the same root: its images would be found twice."""
    if not entry.is_symlink():
        return False
    target, base = entry.resolve(), root.resolve()
    return base.is_relative_to(target) or target.is_relative_to(base)


def _scan_classes(root: Path, base: Path, split: str, found: ScanResult) -> None:
    for folder in _folders(base, found):
        found.classes.add(folder.name)
        if folder.is_symlink():
            found.outside.append(folder.relative_to(root).as_posix())
        for path in _files(folder, root, found):
            file = path.relative_to(root).as_posix()
            if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(root.resolve()):
                found.outside.append(file)
            reason = why_no_image(path, file) or ("" if _sayable(file) else "a name that is not Unicode")
            if not reason:
                found.samples.append(Sample(ImageFile(path), file, folder.name, split))
            else:
                found.non_images.append(_said(file))
                found.reasons[_said(file)] = reason


def _sayable(name: str) -> bool:
    """Whether a file's name is Unicode, as every table that names it is; old archives make others."""
    return name.encode("utf-8", "replace").decode() == name


def _said(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode()


def _refuse_unreadable(error: OSError) -> None:
    raise UserError(str(error.filename), f"cannot be read ({error.strerror})", fix="Change its permissions, or move it away.")


def images_below(folder: Path) -> tuple[list[Path], list[BadImage]]:
    """Every image below a folder, in the order in which people count, and the files that are left out, with the reason.

    Raises:
        UserError: where a folder cannot be read.
    """
    images, others, found = list[Path](), list[BadImage](), ScanResult()
    for path in _files(folder, folder, found):
        if reason := why_no_image(path, path.name):
            others.append(BadImage(_said(path.relative_to(folder).as_posix()), reason))
        else:
            images.append(path)
    others += [BadImage(_said(link), "a link to a folder, which is not followed") for link in found.links]
    return sorted(images, key=lambda path: natural(str(path))), others


def _files(folder: Path, root: Path, found: ScanResult) -> Iterator[Path]:
    """Every file below a class folder; links to folders are not followed, so that no loop is possible."""
    for parent, folders, names in os.walk(folder, onerror=_refuse_unreadable):
        for name in sorted([*folders, *names], key=natural):
            inside = Path(parent, name).relative_to(root).as_posix()
            if is_clutter(name):
                found.hidden.append(inside)
            elif name in folders and Path(parent, name).is_symlink():
                found.links.append(inside)
        folders[:] = sorted(name for name in folders if not is_clutter(name))
        for name in sorted(names, key=natural):
            if not is_clutter(name):
                yield Path(parent, name)
