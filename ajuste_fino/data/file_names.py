"""Names of files in a table, found among those of samples."""

import os
from collections.abc import Iterable
from functools import cached_property
from unicodedata import normalize

from ajuste_fino.escape import from_cell
from ajuste_fino.tables import unquoted


class FileNames:
    """The names of samples, found as they stand or written otherwise: `./p/1.png` and `p\\1.png` are p/1.png."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = set(names)

    @cached_property
    def _plain(self) -> dict[str, str]:
        return {os.path.normpath(name): name for name in self.names}

    @cached_property
    def _composed(self) -> dict[str, str]:
        """The names by their accents as one letter each; macOS writes them as two."""
        return {normalize("NFC", plain): name for plain, name in self._plain.items()}

    def find(self, file: str) -> str | None:
        """The name that is meant; None where there is none."""
        if file in self.names:
            return file
        plain = os.path.normpath(file.strip())
        ways = (from_cell(file), os.path.normpath(unquoted(file).strip()), plain, plain.replace("\\", "/"))
        if found := next((self._plain[one] for one in ways if one in self._plain), None):
            return found
        return None if file.isascii() else self._composed.get(normalize("NFC", ways[-1]))
