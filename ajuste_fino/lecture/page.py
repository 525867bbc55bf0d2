"""All experiments on one page that opens from disk: figures and formulas are inside, nothing is fetched."""

import base64
import json
from collections.abc import Sequence
from html import escape
from math import inf
from pathlib import Path
from typing import Any

from ajuste_fino.files import write_text
from ajuste_fino.lecture.findings import PASS
from ajuste_fino.lecture.formatting import band, number
from ajuste_fino.lecture.header import COLORS
from ajuste_fino.lecture.record import ANIMATION, CLAIM, FIGURE, table
from ajuste_fino.lecture.slide import formula
from ajuste_fino.lecture.text import Texts, in_table

ROWS = 12  # of a table; the file has all

STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1080px; padding: 1rem; font: 17px/1.55 system-ui, sans-serif; color: #1a1a1a; }
h1 { line-height: 1.2; } h2 { line-height: 1.3; margin-top: 3.5rem; border-top: 1px solid #ccc; padding-top: 1.5rem; }
img { max-width: 100%; height: auto; display: block; margin: 1rem 0; }
.formulas { display: flex; flex-wrap: wrap; gap: .6rem 2rem; align-items: center; }
.formulas svg { max-width: 100%; height: auto; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .88em; }
th, td { text-align: left; padding: .3em .7em; border-bottom: 1px solid #ddd; vertical-align: top; }
td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.verdict { display: inline-block; padding: .15em .6em; border-radius: .3em; font-weight: 700; color: #fff; }
.why, .note { border-left: 4px solid #e69f00; padding: .1em .8em; margin: 1em 0; }
.note { border-color: #56b4e9; } code { font-size: .92em; background: #f3f3f3; padding: .1em .3em; overflow-wrap: anywhere; }
pre { background: #f3f3f3; padding: .7em; white-space: pre-wrap; } pre code { padding: 0; }
nav ol { padding-left: 1.6em; columns: 2 22em; } details { margin: 1em 0; } summary { cursor: pointer; }
a { color: #005a92; } nav li { line-height: 1.9; }
@media (max-width: 640px) { th, td { padding: .3em .3em; } td.n { white-space: normal; } table { font-size: .8em; } }
"""


def write(folders: Sequence[Path], path: Path, lang: str) -> None:
    """The page of experiments whose files lie in `folders`, in that order."""
    texts = Texts.load("page", lang)
    claims = [json.loads((folder / CLAIM).read_text(encoding="utf-8")) for folder in folders]
    title = texts("title")
    passed = sum(claim["verdict"] == PASS for claim in claims)
    summary = texts("summary", passed=passed, count=len(claims))
    body = [f"<h1>{escape(title)}</h1><p>{escape(summary)}</p>", _contents(claims, texts)]
    body += [_section(claim, folder, texts) for claim, folder in zip(claims, folders, strict=True)]
    meta = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    head = f"{meta}<title>{escape(title)}</title><style>{STYLE}</style>"
    write_text(path, f'<!doctype html>\n<html lang="{escape(lang)}"><head>{head}</head><body>{"".join(body)}</body></html>\n')


def _verdict(claim: dict[str, Any], texts: Texts) -> str:
    verdict = claim["verdict"]
    return f'<span class="verdict" style="background: {COLORS[verdict]}">{escape(texts(verdict))}</span>'


def _contents(claims: Sequence[dict[str, Any]], texts: Texts) -> str:
    items = [f'<li><a href="#{escape(c["name"])}">{escape(c["name"])}</a> {_verdict(c, texts)}</li>' for c in claims]
    return f"<nav><ol>{''.join(items)}</ol></nav>"


def _section(claim: dict[str, Any], folder: Path, texts: Texts) -> str:
    parts = [
        f'<section id="{escape(claim["name"])}"><h2>{escape(claim["title"])}</h2>',
        f"<p>{_verdict(claim, texts)} {escape(claim['claim'])}</p>",
        f'<div class="formulas">{"".join(f"<div>{_svg(tex)}</div>" for tex in claim["formulas"])}</div>',
        _image(folder / FIGURE, claim["title"]),
        _image(folder / ANIMATION, texts("animation")) if (folder / ANIMATION).is_file() else "",
        _checks(claim, texts),
        *(f'<p class="why">{escape(check["why"])}</p>' for check in claim["checks"] if check["why"]),
        f'<p class="note">{escape(claim["note"])}</p>' if claim["note"] else "",
        _table(folder, texts),
        f"<p>{escape(texts('uses'))} {', '.join(f'<code>{escape(part)}</code>' for part in claim['uses'])}.</p>",
        f"<pre><code>{escape(_command(claim))}</code></pre></section>",
    ]
    return "".join(parts)


def _svg(tex: str) -> str:
    """The formula drawn, with its source as the label that a screen reader reads."""
    return formula(tex).replace("<svg", f'<svg role="img" aria-label="{escape(tex)}"', 1)


def _image(path: Path, alt: str) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    return f'<img alt="{escape(alt)}" src="data:image/{path.suffix[1:]};base64,{data}">'


def _checks(claim: dict[str, Any], texts: Texts) -> str:
    head = [texts("measured"), texts("found"), texts("expected"), ""]
    beside = f" ({texts('informational')})"
    rows = [
        f"<td>{escape(c['what'])}{escape(beside) if c['beyond'] else ''}</td>"
        f'<td class="n">{_value(c["value"])}</td><td class="n">{_band(c["low"], c["high"])}</td>'
        f"<td>{'✓' if c['holds'] else '✗'}</td>"
        for c in claim["checks"]
    ]
    return _html_table(head, rows)


def _band(low: float | None, high: float | None) -> str:
    return band(-inf if low is None else low, inf if high is None else high)


def _value(value: float | str) -> str:
    return escape(value) if isinstance(value, str) else number(value)


def _table(folder: Path, texts: Texts) -> str:
    header, rows, count = table(folder, ROWS)
    cells = ["".join(f"<td>{escape(_cell(cell, texts.lang))}</td>" for cell in row) for row in rows]
    more = texts("first_rows", shown=len(rows), count=count) if count > len(rows) else ""
    names = [in_table(name, texts.lang) for name in header]
    return f"<details><summary>{escape(texts('table') + more)}</summary>{_html_table(names, cells)}</details>"


def _cell(cell: str, lang: str) -> str:
    try:
        return cell if cell.isdigit() else number(float(cell))
    except ValueError:
        return in_table(cell, lang)


def _html_table(header: Sequence[str], rows: Sequence[str]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    return f'<div class="wide"><table><tr>{head}</tr>{"".join(f"<tr>{row}</tr>" for row in rows)}</table></div>'


def _command(claim: dict[str, Any]) -> str:
    return f"ajuste-fino lecture {claim['name']} lang={claim['lang']}"
