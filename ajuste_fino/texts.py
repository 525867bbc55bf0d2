"""Sentences that are shown in several languages: files `NAME.en.toml` and `NAME.es.toml`, looked up by key."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

from ajuste_fino.errors import UserError

LANGUAGES = ("en", "es")


def require_language(lang: object) -> None:
    """Refuse a `lang=` that nothing is written in."""
    if lang not in LANGUAGES:
        raise UserError("lang", "must be en or es", got=lang, fix="Pass lang=es for Spanish.")


@dataclass(frozen=True)
class Texts:
    """The sentences of one page or experiment in one language.

    A sentence may have placeholders, which `str.format` fills: `texts("layer_of", depth=20)`. `files` are those that it is of.
    """

    files: tuple[Path, ...]
    lang: str
    sentences: Mapping[str, str]

    @classmethod
    def read(cls, lang: str, *files: Path) -> Self:
        """Read files; where several have a key, the sentence of the last one is taken."""
        return cls(files, lang, {key: sentence for file in files for key, sentence in sentences(file).items()})

    @property
    def name(self) -> str:
        """What the last file is of, such as relu."""
        return self.files[-1].name.partition(".")[0]

    def __call__(self, key: str, /, **values: object) -> str:
        if key not in self.sentences:
            raise KeyError(f"{' and '.join(file.name for file in self.files)} have no text {key!r}")
        return self.sentences[key].format(**values)

    def __contains__(self, key: str) -> bool:
        return key in self.sentences


@cache
def sentences(path: Path) -> dict[str, str]:
    """The sentences of one file by key. Its sections are for the reader: a key stands once in the whole file."""
    found: dict[str, str] = {}
    for section, value in tomllib.loads(path.read_text(encoding="utf-8")).items():
        entries = value if isinstance(value, dict) else {section: value}
        if repeated := found.keys() & entries.keys():
            raise ValueError(f"{path.name} has {', '.join(sorted(repeated))} twice")
        found |= entries
    return found
