"""Files of this machine and elsewhere, by the same few functions: list them, read a part of one, open one.

Elsewhere is what fsspec reads: it is imported only where there is an address, and its errors become `UserError` or `BadImage`.
"""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple, NoReturn

from ajuste_fino.data.content import BadImage, ImageFile
from ajuste_fino.data.kinds import HEAD
from ajuste_fino.data.names import is_clutter, natural
from ajuste_fino.errors import UserError
from ajuste_fino.storage import system
from ajuste_fino.url import Url

Place = Path | Url
AT_ONCE = 32  # files that are read at the same time from elsewhere, where each keeps one waiting


class Stored(NamedTuple):
    """A file or a folder below a place: its name relative to it."""

    name: str
    folder: bool = False


@dataclass(frozen=True, slots=True)
class StoredFile:
    """An image that is a file elsewhere."""

    url: Url

    def read(self) -> bytes:
        return self.part(None, None)

    def start(self, most: int = HEAD) -> bytes:
        """The first bytes, by which one knows what it is."""
        return self.part(0, most)

    def part(self, start: int | None, end: int | None) -> bytes:
        """Bytes `start` to `end`, or all.

        Raises:
            BadImage: where they cannot be read, or there are none.
        """
        try:
            found: bytes = system(self.url).cat_file(self.url.text, start=start, end=end)
        except UserError as error:
            raise BadImage(self, str(error)) from error
        except Exception as error:  # each file system raises errors of its own
            raise BadImage(self, _reason(error)) from error
        if not found:
            raise BadImage(self, "an empty file")
        return found

    def __str__(self) -> str:
        return str(self.url)


def image_at(place: Place) -> ImageFile | StoredFile:
    """The image that is a file at a place."""
    return ImageFile(place) if isinstance(place, Path) else StoredFile(place)


@contextmanager
def reaching(place: Place) -> Iterator[None]:
    """Errors inside of files that cannot be listed or opened become one message.

    Raises:
        UserError: for any.
    """
    try:
        yield
    except (UserError, BadImage):
        raise
    except OSError as error:
        refuse(place, error)
    except Exception as error:
        if isinstance(place, Path):
            raise
        refuse(place, error)


def refuse(place: Place, error: Exception) -> NoReturn:
    """Say why a place cannot be read.

    Raises:
        UserError: always.
    """
    elsewhere = isinstance(place, Url)
    if isinstance(error, FileNotFoundError):
        fix = "Check the bucket or the host, and the path behind it." if elsewhere else "Check the path."
        raise UserError("data.root", "must be an existing place", got=place, fix=fix) from error
    if isinstance(error, PermissionError) or "credentials" in str(error).lower():
        fix = "Give credentials as the library takes them, such as AWS_PROFILE; for a public bucket set FSSPEC_S3_ANON=true."
        fix = fix if elsewhere else "Change its permissions."
        raise UserError("data.root", f"may not be read ({_reason(error)})", got=place, fix=fix) from error
    fix = "Check the network and the address, for another server than Amazon's AWS_ENDPOINT_URL." if elsewhere else "Check it."
    raise UserError("data.root", f"cannot be reached ({_reason(error)})", got=place, fix=fix) from error


def _reason(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split())[:300] or type(error).__name__


def is_file(place: Place) -> bool:
    """Whether a place is a file, not a folder.

    Raises:
        UserError: where there is none, or it cannot be reached.
    """
    with reaching(place):
        if isinstance(place, Path):
            return place.is_file()
        return bool(system(place).info(place.text)["type"] == "file")


def opened(place: Place, in_order: bool = False) -> BinaryIO:
    """A file to be read here and there; from elsewhere come exactly the parts that are read.

    Args:
        in_order: it is read from its beginning to its end, so that more may come at a time.

    Raises:
        UserError: where it cannot be opened.
    """
    with reaching(place):
        if isinstance(place, Path):
            return place.open("rb")
        cache = {"cache_type": "readahead", "block_size": 2**22} if in_order else {"cache_type": "none"}
        file: BinaryIO = system(place).open(place.text, "rb", **cache)
        return io.BytesIO(file.getvalue()) if isinstance(file, io.BytesIO) else file  # one of memory:// is shared by all


def read_part(place: Place, start: int, size: int) -> bytes:
    """Some bytes of a file.

    Raises:
        BadImage: where they cannot be read.
    """
    if isinstance(place, Url):
        return StoredFile(place).part(start, start + size)
    try:
        with place.open("rb", buffering=0) as file:
            file.seek(start)
            return file.read(size)
    except OSError as error:
        raise BadImage(place, error.strerror or str(error)) from error


def files_below(place: Place) -> list[Stored]:
    """All files below a folder but hidden ones, in the order in which people count; of a file, itself.

    Raises:
        UserError: where it cannot be listed.
    """
    if isinstance(place, Url):
        system(place).invalidate_cache()
    if is_file(place):
        return [Stored(place.name)]
    with reaching(place):
        found = list(_walked(place)) if isinstance(place, Path) else listed(place)
    seen = (one for one in found if not one.folder and not any(map(is_clutter, one.name.split("/"))))
    return sorted(seen, key=lambda one: natural(one.name))


def _walked(folder: Path) -> Iterator[Stored]:
    for base, _, names in os.walk(folder, onerror=_raise):
        yield from (Stored(Path(base, name).relative_to(folder).as_posix()) for name in names)


def _raise(error: OSError) -> NoReturn:
    raise error


def listed(url: Url, below: str = "", deep: bool = True) -> list[Stored]:
    """What lies below an address, at any depth or only just below; names are relative to the address.

    Args:
        below: a folder of it, of which alone is listed.
    """
    files = system(url)
    base = files._strip_protocol(url.text).rstrip("/")
    start = f"{base}/{below}" if below else base
    found = files.find(start, withdirs=True, detail=True).values() if deep else files.ls(start, detail=True)
    rows = ((one["name"].removeprefix(base).strip("/"), one) for one in found)
    return [
        Stored(name, one["type"] == "directory")
        for name, one in rows
        if name not in ("", below) and (one["type"] == "directory" or one["name"][-1] != "/")  # the mark of a folder
    ]
