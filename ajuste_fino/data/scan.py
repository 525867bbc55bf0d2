"""Which images a folder or a CSV holds, under which label and in which split; nothing is opened here."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ajuste_fino.data.images import SUFFIXES, ImageFile
from ajuste_fino.data.sample import Sample
from ajuste_fino.errors import UserError, preview
from ajuste_fino.files import read_csv

SPLIT_NAMES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
CLUTTER = {"__MACOSX", "Thumbs.db", "desktop.ini"}


@dataclass
class ScanResult:
    """What a scan found: samples, all classes (empty ones too), files whose names are no images', what was passed over.

    `hidden`, `stray` and `links` were passed over: hidden files and folders, files that lie in no class, links to
    folders. `outside` are links that were followed out of the root.
    """

    samples: list[Sample] = field(default_factory=list)
    classes: set[str] = field(default_factory=set)
    non_images: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    stray: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)


def natural(name: str) -> list[tuple[int, int | str]]:
    """A sort key under which 2 comes before 10."""
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in re.split(r"(\d+)", name) if part]


def scan(root: Path) -> ScanResult:
    """`root/class/*`, `root/{train,val|valid|validation,test}/class/*`, or a CSV of file,label[,split].

    Raises:
        UserError: where the layout is none of these, or a CSV names a file that is missing or gives an image two labels.
    """
    found = _scan_csv(root) if root.is_file() else _scan_folder(root)
    if not found.samples:
        raise UserError("data.root", "must hold images as root/class/image", got=root, fix=_what_is_there(root, found))
    return found


def _what_is_there(root: Path, found: ScanResult) -> str:
    if found.classes:
        return f"Its {len(found.classes)} folders hold no file that ends in {', '.join(SUFFIXES)}."
    return "It holds no folders; make one a class." if root.is_dir() else "The CSV has no rows."


def _scan_folder(root: Path) -> ScanResult:
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
        if _is_clutter(entry.name):
            found.hidden.append(entry.name)
        elif entry.is_dir() and _leads_back(entry, root):
            found.links.append(entry.name)
        elif entry.is_dir():
            yield entry
        else:
            found.stray.append(entry.name)


def _is_clutter(name: str) -> bool:
    return name.startswith(".") or name in CLUTTER


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
            if path.suffix.lower() in SUFFIXES and _sayable(file):
                found.samples.append(Sample(ImageFile(path), file, folder.name, split))
            else:
                found.non_images.append(file.encode("utf-8", "backslashreplace").decode())


def _sayable(name: str) -> bool:
    """Whether a file's name is Unicode, as every table that names it is; old archives make others."""
    return name.encode("utf-8", "replace").decode() == name


def _refuse_unreadable(error: OSError) -> None:
    raise UserError(str(error.filename), f"cannot be read ({error.strerror})", fix="Change its permissions, or move it away.")


def images_below(folder: Path) -> list[Path]:
    """Every file below a folder whose name is an image's, in the order in which people count.

    Raises:
        UserError: where a folder cannot be read.
    """
    images = (path for path in _files(folder, folder, ScanResult()) if path.suffix.lower() in SUFFIXES)
    return sorted(images, key=lambda path: natural(str(path)))


def others_below(folder: Path) -> list[str]:
    """The files below a folder that `images_below` leaves out because of their names, relative to it."""
    others = (path for path in _files(folder, folder, ScanResult()) if path.suffix.lower() not in SUFFIXES)
    return [path.relative_to(folder).as_posix() for path in others]


def _files(folder: Path, root: Path, found: ScanResult) -> Iterator[Path]:
    """Every file below a class folder; links to folders are not followed, so that no loop is possible."""
    for parent, folders, names in os.walk(folder, onerror=_refuse_unreadable):
        for name in sorted([*folders, *names], key=natural):
            inside = Path(parent, name).relative_to(root).as_posix()
            if _is_clutter(name):
                found.hidden.append(inside)
            elif name in folders and Path(parent, name).is_symlink():
                found.links.append(inside)
        folders[:] = sorted(name for name in folders if not _is_clutter(name))
        for name in sorted(names, key=natural):
            if not _is_clutter(name):
                yield Path(parent, name)


def _scan_csv(table: Path) -> ScanResult:
    rows = read_csv(table)
    if rows and not {"file", "label"} <= rows[0].keys():
        fix = "Name the columns file,label or file,label,split."
        raise UserError(str(table), "needs the columns file and label", got=", ".join(rows[0]), fix=fix)
    found = ScanResult(classes={row["label"] for row in rows})
    labels: dict[str, str] = {}
    for number, row in enumerate(rows, start=2):
        if not row["file"] or not row["label"] or labels.setdefault(row["file"], row["label"]) != row["label"]:
            fix = f"Line {number} has no file, no label or a second label for its file."
            raise UserError(str(table), "must give every file one label", fix=fix)
        split = split_named(row.get("split", ""), f"{table} line {number}")
        found.samples.append(Sample(ImageFile(table.parent / row["file"]), row["file"], row["label"], split))
        if Path(row["file"]).is_absolute() or ".." in Path(row["file"]).parts:
            found.outside.append(row["file"])
    _refuse_lists(table, found.classes)
    _refuse_missing(table, found.samples)
    return found


def _refuse_lists(table: Path, labels: set[str]) -> None:
    """A label like `cat|dog` beside `cat` or `cat|bird` is a list of labels."""
    for mark in "|;,":
        lists = [label.split(mark) for label in labels if mark in label]
        parts = [part.strip() for parts in lists for part in parts]
        if lists and (len(set(parts)) < len(parts) or labels & set(parts)):
            got = mark.join(lists[0])
            fix = f"Images of several classes at once are not supported; write the label without '{mark}' if it is one."
            raise UserError(str(table), "must give every file one label", got=got, fix=fix)


def split_named(name: str, where: str) -> str:
    """`validation` → `val`; "" stays."""
    if name and name.lower() not in SPLIT_NAMES:
        raise UserError(where, "has an unknown split", got=name, fix="Use train, val or test.")
    return SPLIT_NAMES.get(name.lower(), "")


def _refuse_missing(table: Path, samples: list[Sample]) -> None:
    missing = [sample.file for sample in samples if not (table.parent / sample.file).exists()]
    if missing:
        hint = f"Paths are relative to the CSV; to give a run's split back, pass data.root=FOLDER data.split={table}."
        fix = f"{hint} Missing:\n{preview(missing)}"
        raise UserError(str(table), "names files that do not exist", got=len(missing), fix=fix)
