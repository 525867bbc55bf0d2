"""All experiments on one page that opens from disk, to be read, projected and printed; nothing is fetched.

A section of the page is also a slide: `templates/slides.js` shows one at a time, and `templates/style.css` says how each
looks on the page, on a slide and on paper.
"""

from collections.abc import Sequence
from math import inf
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape
from PIL import Image

from ajuste_fino.files import write_text
from ajuste_fino.lecture.findings import NOT_REPRODUCED, PASS
from ajuste_fino.lecture.formatting import band, number
from ajuste_fino.lecture.header import COLORS
from ajuste_fino.lecture.record import ANIMATION, FIGURE, read_claim, table
from ajuste_fino.lecture.slide import formula
from ajuste_fino.lecture.text import Texts, in_table
from ajuste_fino.report.html import environment
from ajuste_fino.report.thumbnails import data_uri

TEMPLATES = Path(__file__).parent / "templates"
ROWS = 30  # of a table, which is folded; the file has all


def write(folders: Sequence[Path], path: Path, lang: str) -> None:
    """The page of experiments whose files lie in `folders`, in that order."""
    texts = Texts.load("page", lang)
    sections = [_section(folder, texts) for folder in folders]
    passed = sum(section["judged"] == PASS for section in sections)
    template = environment(TEMPLATES).get_template("lecture.html.j2")
    write_text(path, template.render(t=texts, lang=lang, sections=sections, passed=passed))


def _section(folder: Path, texts: Texts) -> dict[str, Any]:
    """What the template shows of an experiment: its claim, with verdict, numbers and cells as they are read."""
    claim = read_claim(folder)
    return {
        **claim,
        "judged": claim["verdict"],
        "verdict": texts(claim["verdict"]),
        "color": COLORS[claim["verdict"]],
        "failed": claim["verdict"] == NOT_REPRODUCED,
        "formulas": [_labelled(tex) for tex in claim["formulas"]],
        "figure": _image(folder / FIGURE),
        "ratio": _ratio(folder / FIGURE, claim.get("head", 0)),  # a folder of an earlier version has none
        "animation": _image(folder / ANIMATION) if (folder / ANIMATION).is_file() else "",
        "checks": [_check(check) for check in claim["checks"]],
        "table": _table(folder, texts.lang),
        "command": f"ajuste-fino lecture {claim['name']} lang={claim['lang']}",
    }


def _labelled(tex: str) -> Markup:
    """The formula drawn, with its source as the label that a screen reader reads."""
    return Markup(formula(tex).replace("<svg", f'<svg role="img" aria-label="{escape(tex)}"', 1))


def _image(path: Path) -> str:
    return data_uri(path.read_bytes(), path.suffix[1:])


def _ratio(path: Path, head: float) -> float:
    """Width over height of a figure without its head, which a slide has in letters."""
    with Image.open(path) as image:
        return round(image.width / (image.height * (1 - head)), 4)


def _check(check: dict[str, Any]) -> dict[str, Any]:
    value, low, high = check["value"], check["low"], check["high"]
    between = band(-inf if low is None else low, inf if high is None else high)
    return {**check, "value": value if isinstance(value, str) else number(value), "band": between}


def _table(folder: Path, lang: str) -> dict[str, Any]:
    header, rows, count = table(folder, ROWS)
    cells = [[_cell(cell, lang) for cell in row] for row in rows]
    return {"header": [in_table(name, lang) for name in header], "rows": cells, "count": count}


def _cell(cell: str, lang: str) -> str:
    try:
        return cell if cell.isdigit() else number(float(cell))
    except ValueError:
        return in_table(cell, lang)
