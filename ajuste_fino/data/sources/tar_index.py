"""Where the members of a tar archive lie in it: an index of names, offsets and sizes, made of the headers alone."""

import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from ajuste_fino.data.content import BadImage
from ajuste_fino.data.sources.storage import Place, opened, reaching, read_part
from ajuste_fino.errors import UserError
from ajuste_fino.signatures import by_first_bytes

BLOCK = tarfile.BLOCKSIZE
BEHIND = 2**16  # bytes behind the end of an archive that are looked at
LONGEST = 2**20  # bytes of a label
WHOLE = "It may be a download that was cut off; fetch it again."


class Member(NamedTuple):
    """A file in an archive; `reason` says why it cannot be read by its place, `text` is the content of a wanted one."""

    name: str
    offset: int
    size: int
    reason: str = ""
    text: bytes | None = None


@dataclass(frozen=True, slots=True)
class TarMember:
    """An image that is a member of a tar archive; its bytes lie in it as they are."""

    archive: Place
    name: str
    offset: int
    size: int

    def read(self) -> bytes:
        if not self.size:
            raise BadImage(self, "an empty file")
        found = read_part(self.archive, self.offset, self.size)
        if len(found) < self.size:
            raise BadImage(self, "the archive ends before it does")
        return found

    def __str__(self) -> str:
        return f"{self.archive}/{self.name}"


def members(place: Place, wanted: Callable[[str], bool]) -> Iterator[Member]:
    """The files of an archive in their order.

    Args:
        wanted: whether the content of a member of that name is to be read at once, as a label's is.

    Raises:
        UserError: where it is compressed, no archive, or ends before its end mark.
    """
    with reaching(place), opened(place, in_order=True) as file:
        _refuse_others(place, file)
        try:
            with tarfile.open(fileobj=file, mode="r:") as archive:
                while (member := archive.next()) is not None:
                    if not member.isdir():
                        yield _member(archive, member, wanted)
                    archive.members.clear()  # type: ignore[attr-defined]  # it would keep all
                end = archive.offset
        except (tarfile.TarError, ValueError, EOFError) as error:
            raise UserError(str(place), f"cannot be read as a tar archive ({error})", fix=WHOLE) from error
        _require_end(place, file, end)


def _member(archive: tarfile.TarFile, member: tarfile.TarInfo, wanted: Callable[[str], bool]) -> Member:
    name = member.name.removeprefix("./")
    reason = "" if member.isreg() and not member.issparse() else "a link or another special member of an archive"
    text = None
    if not reason and wanted(name):
        if member.size > LONGEST:
            return Member(name, member.offset_data, member.size, "too long for a label")
        file = archive.extractfile(member)
        text = file.read() if file else b""
    return Member(name, member.offset_data, member.size, reason, text)


def _refuse_others(place: Place, file: BinaryIO) -> None:
    start = file.read(BLOCK)
    file.seek(0)
    kind = by_first_bytes(start)
    if kind is not None and start[257:262] != b"ustar":
        fix = "Unpack it: its members are read by their places, which a compressed one has not. For example gunzip FILE.tar.gz."
        raise UserError(str(place), f"must be a tar archive that is not compressed; it is {kind}", fix=fix)


def _require_end(place: Place, file: BinaryIO, end: int) -> None:
    """Refuse an archive that does not end as one does: with a block of zeros, and nothing behind it.

    `tarfile` stops in silence at a header that it cannot read, and at the end of a file that was cut off between two members.
    """
    file.seek(end)
    rest = file.read(BEHIND)
    if len(rest) < BLOCK:
        raise UserError(str(place), "is cut off: it ends without the mark at the end of a tar archive", fix=WHOLE)
    if rest.strip(b"\0"):
        rule = f"is damaged, or holds several archives one behind the other: it cannot be read on from byte {end:,}"
        raise UserError(str(place), rule, fix="Fetch it again, or pass the archives as files of their own.")
