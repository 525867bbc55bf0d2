"""Pages made from `templates/`: one file each, which opens from disk without a network."""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ajuste_fino.escape import printable
from ajuste_fino.files import write_text


@cache
def environment() -> Environment:
    """What templates are read with: all that they show is escaped, and a name that is not given is an error."""
    found = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["shown"] = lambda value: printable(str(value))
    return found


def write_page(path: Path, template: str, **given: Any) -> None:
    """Write a page; texts of the user's are shown by the filter `shown`, since a name of a file may hold anything."""
    write_text(path, environment().get_template(template).render(**given))
