"""The sentences of the lecture: `texts/NAME.en.toml` and `texts/NAME.es.toml`, looked up by key."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "texts"
LANGUAGES = ("en", "es")
COMMON = "common"  # the file of the sentences that several experiments share


@dataclass(frozen=True)
class Texts:
    """The sentences of one experiment in one language, those of `common` included.

    A sentence may have placeholders, which `str.format` fills: `texts("layer_of", depth=20)`.
    """

    name: str
    lang: str
    sentences: Mapping[str, str]

    @classmethod
    def load(cls, name: str, lang: str) -> "Texts":
        """Read the file of an experiment; where it has a key of `common`, its own sentence is taken."""
        return cls(name, lang, {**read(COMMON, lang), **read(name, lang)})

    def __call__(self, key: str, /, **values: object) -> str:
        if key not in self.sentences:
            files = " and ".join(path(name, self.lang).name for name in (self.name, COMMON))
            raise KeyError(f"{files} have no text {key!r}")
        return self.sentences[key].format(**values)

    def __contains__(self, key: str) -> bool:
        return key in self.sentences


def in_table(word: str, lang: str) -> str:
    """A heading or a cell as a reader sees it: tables are written in English."""
    return word if lang == "en" else read("table", lang).get(word, word)


def path(name: str, lang: str) -> Path:
    return FOLDER / f"{name}.{lang}.toml"


@cache
def read(name: str, lang: str) -> dict[str, str]:
    """The sentences of one file by key. Its sections are for the reader: a key stands once in the whole file."""
    sentences: dict[str, str] = {}
    for section, found in tomllib.loads(path(name, lang).read_text(encoding="utf-8")).items():
        entries = found if isinstance(found, dict) else {section: found}
        repeated = sentences.keys() & entries.keys()
        if repeated:
            raise ValueError(f"{path(name, lang).name} has {', '.join(sorted(repeated))} twice")
        sentences |= entries
    return sentences
