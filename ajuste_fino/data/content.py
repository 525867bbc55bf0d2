"""Where the bytes of an image are, and what is said of those that are none."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Protocol

from ajuste_fino.data.kinds import HEAD, by_name, image_format, why_left_out
from ajuste_fino.errors import UserError


class BadImage(Exception):
    """A file that is no usable image; the message says why."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(str(path), reason)
        self.path, self.reason = str(path), reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class Content(Protocol):
    """Where the bytes of an image are: a file, a row of a table or a member of an archive."""

    def read(self) -> bytes:
        """Return all bytes.

        Raises:
            BadImage: where they cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image that is a file of its own."""

    path: Path

    def read(self) -> bytes:
        return self._read(-1)

    def start(self) -> bytes:
        """The first bytes, by which one knows what it is."""
        return self._read(HEAD)

    def _read(self, most: int) -> bytes:
        try:
            if not self.path.is_file():  # a pipe would never end
                raise BadImage(self, "not a regular file" if os.path.lexists(self.path) else "there is no such file")
            with self.path.open("rb", buffering=0) as file:
                return file.read(most) or _refuse_empty(self)
        except OSError as error:
            raise BadImage(self, error.strerror or str(error)) from error

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, slots=True)
class ImageBytes:
    """An image whose file is in memory; `name` is what messages call it."""

    content: bytes
    name: str

    def read(self) -> bytes:
        return self.content or _refuse_empty(self)

    def __str__(self) -> str:
        return self.name


def _refuse_empty(content: Content) -> NoReturn:
    raise BadImage(content, "an empty file")


def changed(bad: BadImage) -> UserError:
    """What a run says of an image that was good when it was checked."""
    return UserError(str(bad), "changed since it was checked", fix="Start again when nothing writes to the folder.")


def why_no_image(name: str, start_of: Callable[[], bytes]) -> str | None:
    """Why a file is not taken for an image, None where it is; it is opened only where its name says nothing.

    Args:
        name: what the file is called; it may be no Unicode.
        start_of: reads its first bytes.
    """
    known = by_name(name)
    if known is None:
        try:
            start = start_of()
        except BadImage as bad:
            return f"not an image by its name, and {bad.reason}"
        known = image_format(start) is not None
    return None if known else why_left_out(name)
