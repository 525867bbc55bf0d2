"""The sentences of the lecture: `texts/NAME.en.toml` and `texts/NAME.es.toml`, a pair for each experiment."""

from pathlib import Path
from typing import Self

from ajuste_fino import texts

FOLDER = Path(__file__).parent / "texts"
COMMON = "common"  # the file of the sentences that several experiments share


class Texts(texts.Texts):
    """The sentences of one experiment in one language, those of `common` included."""

    @classmethod
    def load(cls, name: str, lang: str) -> Self:
        """Read the file of an experiment; where it has a key of `common`, its own sentence is taken."""
        return cls.read(lang, path(COMMON, lang), path(name, lang))


def in_table(word: str, lang: str) -> str:
    """A heading or a cell as a reader sees it: tables are written in English."""
    return word if lang == "en" else read("table", lang).get(word, word)


def path(name: str, lang: str) -> Path:
    return FOLDER / f"{name}.{lang}.toml"


def read(name: str, lang: str) -> dict[str, str]:
    """The sentences of one file by key."""
    return texts.sentences(path(name, lang))
