"""`data=webdataset`: images and labels in tar shards, which are read by their places and never unpacked.

The members of an image have one name with several endings: `0001.jpg`, and its label as `0001.cls`, in `0001.json` or as
`0001.txt`, of which the first that is there counts.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ajuste_fino.data.content import Content
from ajuste_fino.data.kinds import FOREIGN, by_name, suffix_of, why_left_out
from ajuste_fino.data.names import is_clutter
from ajuste_fino.data.sample import Sample
from ajuste_fino.data.scan_result import NoImage, ScanResult
from ajuste_fino.data.sources.shards import Shard, grouped_by_file, note_splits, shards
from ajuste_fino.data.sources.source import Missing, Source, ahead
from ajuste_fino.data.sources.storage import Place
from ajuste_fino.data.sources.tar_index import Member, TarMember, members
from ajuste_fino.errors import UserError, counted, preview

WHERE = "data=webdataset"
TAR = ".tar"
COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tzst")
LABELS = (".cls", ".json", ".txt")


@dataclass
class Entry:
    """The members of one name: its image, others that may be meant for one, and its label by the ending that says it."""

    images: list[Member] = field(default_factory=list)
    no_images: list[Member] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def chosen(self) -> list[Member]:
        """The image; of `0001.jpg` and `0001.mask.png` the one with the plain ending; several where that does not tell."""
        plain = [one for one in self.images if _ending(one.name)[1].count(".") == 1]
        return plain if len(plain) == 1 else self.images

    @property
    def label(self) -> str:
        return next((self.labels[ending] for ending in LABELS if self.labels.get(ending)), "")


@dataclass(frozen=True)
class WebDataset(Source):
    """Tar shards: one, all of a folder, or those of a pattern such as `shards-{000..009}.tar`.

    An image is called as its shard and its member: `train-000.tar/0001.jpg`.
    """

    one_class = "Add the shards of the other classes."
    place: Place

    def scan(self) -> ScanResult:
        found = ScanResult()
        self.collect(self.read(found), found, WHERE)
        return found

    def read(self, found: ScanResult) -> Iterator[Sample]:
        files = self._files()
        note_splits(files, found)
        for file, entries in zip(files, ahead(_entries, files), strict=True):
            _refuse(file, entries)
            for entry in entries.values():
                others = entry.no_images if entry.labels else []
                found.non_images += [NoImage(_name(file, one), entry.label, _why(one)) for one in others]
                for image in entry.chosen:
                    content = TarMember(file.place, image.name, image.offset, image.size)
                    yield Sample(content, _name(file, image), entry.label, file.split)

    def contents(self, names: Sequence[str]) -> list[Content]:
        files, there = {file.name: file for file in self._files()}, dict[str, Content]()
        wanted = grouped_by_file(names, _parted)
        for file in (files[name] for name in wanted if name in files):
            asked = {inside for _, inside in wanted[file.name]}
            for one in members(file.place, lambda _: False):
                if one.name in asked and not one.reason:
                    there[_name(file, one)] = TarMember(file.place, one.name, one.offset, one.size)
        return [there.get(name) or Missing(name) for name in names]

    def column(self, name: str) -> dict[str, str]:
        fix = r"Write it with one pair of parentheses around what names the group, as in data.group='(person\d+)'."
        raise UserError("data.group", "must be a regular expression on the name of the member", got=name, fix=fix)

    def _files(self) -> list[Shard]:
        found = shards(self.place, (TAR, *COMPRESSED), "tar shards")
        if packed := [file.name for file in found if file.name.lower().endswith(COMPRESSED)]:
            fix = f"Unpack them, as with gunzip: members are read by their places. Compressed:\n{preview(packed)}"
            raise UserError("data.root", "must hold tar shards that are not compressed", got=self.place, fix=fix)
        return found


def _name(file: Shard, member: Member) -> str:
    return f"{file.name}/{member.name}"


def _parted(name: str) -> tuple[str, str]:
    """`train/000.tar/0001.jpg` → the shard and the member."""
    before, _, member = name.partition(f"{TAR}/")
    return f"{before}{name[len(before) : len(before) + len(TAR)]}", member


def _why(member: Member) -> str:
    return member.reason or why_left_out(member.name)


def _ending(name: str) -> tuple[str, str]:
    """`a/0001.seg.png` → `a/0001` and `.seg.png`: the ending begins at the first dot of the last part."""
    folder, sign, last = name.rpartition("/")
    stem, dot, ending = last.partition(".")
    return f"{folder}{sign}{stem}", f"{dot}{ending.lower()}"


def _entries(file: Shard) -> dict[str, Entry]:
    """The members of a shard by the names that they share."""
    found: dict[str, Entry] = {}
    for member in members(file.place, lambda name: _ending(name)[1] in LABELS):
        if any(map(is_clutter, Path(member.name).parts)):
            continue
        stem, ending = _ending(member.name)
        entry = found.setdefault(stem, Entry())
        if ending in LABELS and not member.reason:
            entry.labels[ending] = _label(ending, member.text or b"")
        elif by_name(ending_of := f"x{ending}"):
            (entry.no_images if member.reason else entry.images).append(member)
        elif suffix_of(ending_of) in FOREIGN:
            entry.no_images.append(member)
    return found


def _label(ending: str, content: bytes) -> str:
    """What a member says of the label; "" where it says nothing that is one."""
    text = content.decode("utf-8", "replace").strip()
    if ending != ".json":
        return text
    try:
        given = json.loads(text)
    except ValueError:
        return ""
    label = given.get("label") if isinstance(given, dict) else None
    return str(label).strip() if isinstance(label, str | int) else ""


def _refuse(file: Shard, entries: dict[str, Entry]) -> None:
    """Refuse a shard with images that have no label, or share one.

    Raises:
        UserError: where there are some.
    """
    without = [one.name for entry in entries.values() for one in entry.chosen if not entry.label]
    if without:
        fix = f"Each needs NAME.cls, NAME.txt, or NAME.json with a label in it. Without one:\n{preview(without)}"
        raise UserError(str(file.place), f"holds {counted(len(without), 'image')} without a label", fix=fix)
    several = [_listed(entry.chosen) for entry in entries.values() if len(entry.chosen) > 1]
    if several:
        fix = f"One image of each name is read; give the others another ending. Several:\n{preview(several)}"
        raise UserError(str(file.place), f"holds {counted(len(several), 'name')} with several images", fix=fix)


def _listed(images: Iterable[Member]) -> str:
    return ", ".join(image.name for image in images)
