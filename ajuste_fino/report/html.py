"""Pages in several languages, made from `templates/` and `texts/`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ajuste_fino.report.pages import environment
from ajuste_fino.texts import Texts

FOLDER = Path(__file__).parent


def render(template: str, texts: Texts, context: Mapping[str, Any]) -> str:
    """Fill a template, which asks for its sentences by `t`."""
    return environment().get_template(template).render({"t": texts, "lang": texts.lang, **context})


def page_texts(name: str, lang: str) -> Texts:
    """The sentences of a page."""
    return Texts.read(lang, FOLDER / "texts" / f"{name}.{lang}.toml")
