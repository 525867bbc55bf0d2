"""Pages that open from disk: one file, its style and its images inside, nothing fetched."""

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from ajuste_fino.data.content import BadImage
from ajuste_fino.data.images import quiet, read_image
from ajuste_fino.data.sample import Sample
from ajuste_fino.escape import printable
from ajuste_fino.texts import Texts

FOLDER = Path(__file__).parent
SIDE = 160  # px, of thumbnails: twice what they take on a page, for screens of fine pixels


def render(template: str, texts: Texts, context: Mapping[str, Any]) -> str:
    """Fill a template of `templates/`; whatever comes from outside is escaped, and a name it lacks is an error."""
    files = FileSystemLoader(FOLDER / "templates")
    environment = Environment(loader=files, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["shown"] = printable
    environment.globals |= {"t": texts, "lang": texts.lang}
    return environment.get_template(template).render(context)


def page_texts(name: str, lang: str) -> Texts:
    """The sentences of a page."""
    return Texts.read(lang, FOLDER / "texts" / f"{name}.{lang}.toml")


def data_uri(image: Image.Image) -> str:
    """An RGB image as a JPEG inside the page."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def thumbnail(sample: Sample | None, side: int = SIDE) -> str | None:
    """An image, its longer side at most `side` px; None where it is gone, or not the image that it was."""
    if sample is None:
        return None
    try:
        with quiet():
            image = read_image(sample, side)[1]  # a sample verifies its content
    except BadImage:
        return None
    image.thumbnail((side, side), reducing_gap=2.0)
    return data_uri(image)
