"""A folder and all below it, read once: what is passed over on the way, and how many images each part holds."""

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, NoReturn, Protocol

from ajuste_fino.data.content import ImageFile, why_no_image
from ajuste_fino.data.kinds import by_name, unread_files
from ajuste_fino.data.names import CLUTTER_WITHOUT_IMAGES, is_clutter, natural, splits_of
from ajuste_fino.data.results import is_results
from ajuste_fino.data.scan_result import ScanResult
from ajuste_fino.errors import UserError
from ajuste_fino.files import beginning

DEEPEST = 100  # levels of folders
RUNS = "runs"  # the folder of runs, unless out= says otherwise


@dataclass(slots=True)
class Folder:
    """A folder: the names of its images, of its other files with the reason why they are none, and its folders.

    `path` is relative to the root, "" for the root itself; `linked`: it was reached by a link; `total` counts the images in
    it and below. Files are in the order in which people count, folders in that of texts.
    """

    path: str
    linked: bool = False
    images: list[str] = field(default_factory=list)
    others: dict[str, str] = field(default_factory=dict)
    folders: list["Folder"] = field(default_factory=list)
    total: int = 0

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def filled(self) -> list["Folder"]:
        """The folders that hold an image, at whatever depth."""
        return [folder for folder in self.folders if folder.total]

    def inside(self, name: str) -> str:
        return f"{self.path}/{name}" if self.path else name


class Split(NamedTuple):
    """A folder of a split, train, val or test."""

    folder: Folder
    name: str


def read_tree(root: Path, found: ScanResult, links: bool = True) -> Folder:
    """Read a folder; what is passed over goes to `found`.

    Links to folders are followed where classes may lie, in the root and in a folder called as a split, and nowhere else, so
    that no loop is possible.

    Args:
        links: whether they are followed at all.

    Raises:
        UserError: where a folder cannot be read, or, if links are followed, one leads nowhere.
    """
    tree = Folder("")
    LocalReader(root, os.path.realpath(root), found).fill(tree, links)
    return tree


class Entry(Protocol):
    """What lies in a folder, as `os.scandir` tells it."""

    @property
    def name(self) -> str: ...

    @property
    def path(self) -> str: ...

    def is_dir(self) -> bool: ...

    def is_symlink(self) -> bool: ...


class TreeReader(ABC):
    """What is read of a folder and what is passed over, wherever it lies."""

    found: ScanResult

    @abstractmethod
    def entries(self, folder: Folder) -> Sequence[Entry]:
        """Return what lies in a folder."""

    @abstractmethod
    def start(self, entry: Entry) -> bytes:
        """Return the first bytes of a file, or raise BadImage."""

    @abstractmethod
    def begins(self, folder: Folder, name: str) -> str:
        """Return how the text of a file begins."""

    @abstractmethod
    def examine_link(self, folder: Folder, entry: Entry) -> None:
        """Refuse a link that leads nowhere, where classes may lie: a run would go on without the class."""

    def leads_back(self, entry: Entry, folder: Folder) -> bool:
        """Whether a link leads to a folder that holds it, or into the same one: its images would be found twice."""
        return False

    def leads_out(self, entry: Entry) -> bool:
        """Whether a file is a link out of the root."""
        return False

    def fill(self, folder: Folder, follow: bool) -> bool:
        """Read what a folder holds; whether it is to be passed over, as one of results or left by a system or a program."""
        if folder.path.count("/") > DEEPEST:
            fix = "Move what is to be read further up."
            raise UserError("data.root", f"has folders more than {DEEPEST} levels deep", got=f"{folder.path[:80]}…", fix=fix)
        entries = self.entries(folder)
        if folder.path and self._passed_over(folder, entries):
            return True
        before, below = len(self.found.results), list[Entry]()
        for entry in entries:
            if is_clutter(entry.name):
                self.found.hidden.append(folder.inside(entry.name))
            elif _is_folder(entry):
                below.append(entry)
            else:
                if follow:
                    self.examine_link(folder, entry)
                self._file(folder, entry)
        folder.images.sort(key=natural)
        folder.others = {name: folder.others[name] for name in sorted(folder.others, key=natural)}
        self._below(folder, sorted(below, key=lambda entry: entry.name), follow)
        folder.total = len(folder.images) + sum(inner.total for inner in folder.folders)
        nothing_else = not folder.total and not unread_files(folder.others)
        only_results = nothing_else or (folder.name == RUNS and not folder.filled)
        if folder.path and only_results and len(self.found.results) > before:
            self.found.results[before:] = [folder.path]  # `runs` is named, and not each run in it
            return True
        return False

    def _passed_over(self, folder: Folder, entries: Sequence[Entry]) -> bool:
        if folder.name.lower() in CLUTTER_WITHOUT_IMAGES and not any(map(self._is_picture, entries)):
            self.found.hidden.append(folder.path)
            return True
        try:
            results = is_results({entry.name for entry in entries}, lambda name: self.begins(folder, name))
        except OSError as error:
            refuse_unreadable(error)
        if results:
            self.found.results.append(folder.path)
        return results

    def _is_picture(self, entry: Entry) -> bool:
        """Whether an entry is an image, also one of a format that is not read, which is then said."""
        if _is_folder(entry) or is_clutter(entry.name):
            return False
        return bool(unread_files([entry.name])) or not why_no_image(entry.name, lambda: self.start(entry))

    def _file(self, folder: Folder, entry: Entry) -> None:
        if reason := why_no_image(entry.name, lambda: self.start(entry)):
            folder.others[entry.name] = reason
            return
        folder.images.append(entry.name)
        if folder.path and self.leads_out(entry):
            self.found.outside.append(folder.inside(entry.name))

    def _below(self, folder: Folder, entries: list[Entry], follow: bool) -> None:
        splits = splits_of(entry.name for entry in entries) if not folder.path else {}
        for entry in entries:
            inner = Folder(folder.inside(entry.name), entry.is_symlink())
            if inner.linked and (not follow or self.leads_back(entry, folder)):
                self.found.links.append(inner.path)
            elif not self.fill(inner, follow and entry.name in splits):
                folder.folders.append(inner)


@dataclass
class LocalReader(TreeReader):
    """A folder of this machine, in which links are."""

    root: Path
    real: str  # the root without links
    found: ScanResult

    def entries(self, folder: Folder) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self.root / folder.path) as found:
                entries = list(found)
            with suppress(FileNotFoundError):  # it has just gone
                for entry in entries[:1]:
                    entry.stat(follow_symlinks=False)  # names may be read where nothing else may
        except OSError as error:
            error.filename = os.fspath(self.root / folder.path)
            refuse_unreadable(error)
        return entries

    def start(self, entry: Entry) -> bytes:
        return ImageFile(Path(entry.path)).start()

    def begins(self, folder: Folder, name: str) -> str:
        return beginning(self.root / folder.path / name)

    def leads_out(self, entry: Entry) -> bool:
        return entry.is_symlink() and not _within(os.path.realpath(entry.path), self.real)

    def examine_link(self, folder: Folder, entry: Entry) -> None:
        if not entry.is_symlink() or by_name(entry.name) is not None:
            return
        try:
            Path(entry.path).stat()
        except OSError as error:
            got = f"{folder.inside(entry.name)} → {Path(entry.path).readlink()}"
            fix = "Bring back what it leads to, such as a disk that is not mounted, or remove the link."
            rule = f"has a link that leads nowhere, where a class may be meant ({error.strerror})"
            raise UserError("data.root", rule, got=got, fix=fix) from error

    def leads_back(self, entry: Entry, folder: Folder) -> bool:
        target, base = os.path.realpath(entry.path), os.path.realpath(self.root / folder.path)
        return _within(base, target) or _within(target, base)


def refuse_unreadable(error: OSError) -> NoReturn:
    fix = "Change its permissions, or move it away."
    raise UserError(str(error.filename), f"cannot be read ({error.strerror})", fix=fix) from error


def _is_folder(entry: Entry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle, or to where one may not look: reading the file says so
        return False


def _within(path: str, base: str) -> bool:
    return path == base or path.startswith(base.rstrip(os.sep) + os.sep)
