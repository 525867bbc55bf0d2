"""Pages in several languages, made from `templates/` and `texts/`: one file each, which opens from disk without a network."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

import ajuste_fino
from ajuste_fino.escape import printable
from ajuste_fino.texts import Texts

FOLDER = Path(__file__).parent


@cache
def environment(*before: Path) -> Environment:
    """What templates are read with: all that they show is escaped, and a name that is not given is an error.

    `before`: folders where a template is looked for before it is looked for here.

    Texts of the user's are shown by the filter `shown`, since a name of a file may hold anything; shares by `percent`,
    differences of shares by `points`.
    """
    found = Environment(
        loader=FileSystemLoader([*before, FOLDER / "templates"]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["shown"] = lambda value: printable(str(value))
    found.filters["percent"] = lambda value: f"{100 * value:.1f} %"
    found.filters["points"] = lambda value: f"{100 * value:+.1f}"
    return found


def render(texts: Texts, context: Mapping[str, Any]) -> str:
    """A page of parts, by `templates/page.html.j2`: `title`, `name`, `about`, `parts`, and what the parts show."""
    given = {"t": texts, "lang": texts.lang, "version": ajuste_fino.__version__, **context}
    return environment().get_template("page.html.j2").render(given)


def page_texts(lang: str, *names: str) -> Texts:
    """The sentences of a page: those of every page, and those of its parts."""
    return Texts.read(lang, *(FOLDER / "texts" / f"{name}.{lang}.toml" for name in ("page", *names)))
