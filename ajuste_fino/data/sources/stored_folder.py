"""`data=folder` with an address: the layouts of a folder, judged by the same rules, of files in an object storage."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ajuste_fino.data.content import BadImage, Content
from ajuste_fino.data.folder import add_samples
from ajuste_fino.data.sample import Sample
from ajuste_fino.data.scan_result import ScanResult
from ajuste_fino.data.sources.kinds import refuse_archive
from ajuste_fino.data.sources.source import MOST, Source, ahead, too_many
from ajuste_fino.data.sources.storage import Stored, StoredFile, is_file, listed, reaching, system
from ajuste_fino.data.table import IsThere, no_column, scan_table, table_column
from ajuste_fino.data.tree import Folder, TreeReader
from ajuste_fino.errors import UserError
from ajuste_fino.tables import read_table
from ajuste_fino.url import Url

WHERE = "data=folder"
ENOUGH = 16  # folders that are listed beside each other, all below them at once
LEVELS = 2  # that are listed one by one until there are so many: splits, classes
HEAD = 2**16  # bytes that tell whether a folder is one of results


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """What lies in a folder elsewhere: never a link."""

    name: str
    path: str
    folder: bool

    def is_dir(self) -> bool:
        return self.folder

    def is_symlink(self) -> bool:
        return False


@dataclass
class StoredReader(TreeReader):
    """A folder elsewhere, which was listed as a whole; a file is opened where its name says nothing."""

    url: Url
    found: ScanResult
    below: dict[str, list[StoredEntry]] = field(default_factory=dict)

    def add(self, entries: Iterable[Stored]) -> None:
        """Put entries into their folders; a folder may be known by what lies in it alone."""
        known = {f"{folder}/{one.name}".strip("/") for folder, inside in self.below.items() for one in inside}
        for entry in entries:
            self._put(entry.name, entry.folder, known)

    def _put(self, name: str, folder: bool, known: set[str]) -> None:
        if not name or name in known:
            return
        known.add(name)
        above, _, last = name.rpartition("/")
        self._put(above, True, known)
        self.below.setdefault(above, []).append(StoredEntry(last, name, folder))

    def entries(self, folder: Folder) -> list[StoredEntry]:
        return self.below.get(folder.path, [])

    def start(self, entry: object) -> bytes:
        return StoredFile(self.url / str(getattr(entry, "path", ""))).start()

    def examine_link(self, folder: Folder, entry: object) -> None:
        """There are no links."""

    def begins(self, folder: Folder, name: str) -> str:
        try:
            content = StoredFile(self.url / folder.inside(name)).start(HEAD)
        except BadImage:
            return ""
        return content.decode("utf-8-sig", "replace").replace("\r\n", "\n")


@dataclass(frozen=True)
class StoredFolder(Source):
    """A folder of classes, perhaps with splits, or a CSV, under an address that fsspec reads."""

    place: Url

    def scan(self) -> ScanResult:
        return self._scan(MOST)

    def read(self, found: ScanResult) -> Iterator[Sample]:
        whole = self._scan(None)  # whether folders are splits or classes can be told of all of them alone
        for name, noted in vars(whole).items():
            if name != "samples":
                setattr(found, name, noted)
        yield from whole.samples

    def contents(self, names: Sequence[str]) -> list[Content]:
        base = self.place.parent if is_file(self.place) else self.place
        return [StoredFile(base / name) for name in names]

    def column(self, name: str) -> dict[str, str]:
        if not is_file(self.place):
            raise no_column(name)
        table = read_table(self.place, ("file",), content=self._table())
        return table_column(table, name, _there(self.place.parent, None))

    def _scan(self, most: int | None) -> ScanResult:
        if is_file(self.place):
            refuse_archive(self.place)
            return scan_table(self.place, self._table(), _there(self.place.parent, most))
        found = ScanResult()
        reader = StoredReader(self.place, found)
        reader.add(_everything(self.place, most))
        tree = Folder("")
        reader.fill(tree, follow=False)
        add_samples(self.place, tree, found)
        return found

    def _table(self) -> bytes:
        try:
            return StoredFile(self.place).read()
        except BadImage as bad:
            raise UserError(str(self.place), f"cannot be read as a CSV ({bad.reason})", fix="Pass a CSV, or a folder.") from bad


def _there(folder: Url, most: int | None) -> IsThere:
    """Whether a folder has a file, by its listing."""
    names = {one.name for one in _everything(folder, most)}
    return lambda _, file: os.path.normpath(file) in names


def _everything(url: Url, most: int | None) -> Iterator[Stored]:
    """All that lies below an address: the first levels one by one, then folders beside each other.

    Args:
        most: files; with more of them the listing is not read to its end.

    Raises:
        UserError: where there are more, or it cannot be listed.
    """
    with reaching(url):
        system(url).invalidate_cache()
        count, folders = 0, [""]
        for part in _parts(url, folders):
            count += sum(not one.folder for one in part)
            if most is not None and count > most:
                raise too_many(url, WHERE)
            yield from part


def _parts(url: Url, folders: list[str]) -> Iterator[list[Stored]]:
    for _ in range(LEVELS):
        parts = [listed(url, folder, deep=False) for folder in folders]
        yield from parts
        folders = [one.name for part in parts for one in part if one.folder]
        if len(folders) > ENOUGH:
            break
    yield from ahead(lambda folder: listed(url, folder), folders)
