"""An experiment's files: the figure, the table, the animation where there is one, and `claim.json`, which comes last."""

import csv
import io
import math
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from matplotlib import rc_context

from ajuste_fino.files import atomic, write_csv, write_json
from ajuste_fino.lecture.findings import Check, Findings
from ajuste_fino.lecture.slide import STYLE, png

FIGURE, TABLE, CLAIM, ANIMATION = "figure.png", "table.csv", "claim.json", "animation.gif"
DOTS = 60  # an inch, of animations: 768 × 432 px


def write(module: ModuleType, findings: Findings, folder: Path, settings: Mapping[str, Any], lang: str, seconds: float) -> None:
    """Write the files of an experiment that has been measured."""
    with atomic(folder / FIGURE) as temporary:
        temporary.write_bytes(png(module.draw(findings, lang)))
    if hasattr(module, "animate"):
        _animation(module.animate(findings, lang), folder / ANIMATION)
    header = list(dict.fromkeys(key for row in findings.rows for key in row))
    write_csv(folder / TABLE, header, [[row.get(key, "") for key in header] for row in findings.rows])
    write_json(folder / CLAIM, claim(module, findings, settings, lang, seconds))


def claim(module: ModuleType, findings: Findings, settings: Mapping[str, Any], lang: str, seconds: float) -> dict[str, Any]:
    """What was claimed, expected and found, as plain values."""
    note = getattr(module, "NOTE", None)
    return {
        "name": module.__name__.rpartition(".")[2],
        "claim": module.TITLE.said(lang),
        "verdict": findings.verdict,
        "checks": [_told(check, lang) for check in findings.checks],
        "formulas": list(module.FORMULAS),
        "uses": list(module.USES),
        "note": note and note.said(lang),
        "settings": dict(settings),
        "lang": lang,
        "seconds": round(seconds, 1),
    }


def _told(check: Check, lang: str) -> dict[str, Any]:
    """A bound that is infinite is null; a value that is no number, or infinite, is its name: JSON has neither."""
    low, high = (float(bound) if math.isfinite(bound) else None for bound in (check.low, check.high))
    value = float(check.value) if math.isfinite(check.value) else str(float(check.value))
    told = {"what": check.what.said(lang), "value": value, "low": low, "high": high, "holds": check.holds}
    why = check.otherwise.said(lang) if check.otherwise and not check.holds else None
    return {**told, "identity": check.identity, "beyond": check.beyond, "why": why}


def _animation(animation: Any, path: Path) -> None:
    with atomic(path) as temporary, rc_context(STYLE):
        whole = temporary.with_suffix(".gif")  # the writer goes by the name's ending
        try:
            animation.save(whole, writer="pillow", dpi=DOTS)
            whole.replace(temporary)
        finally:
            whole.unlink(missing_ok=True)


def table(folder: Path, most: int) -> tuple[list[str], list[list[str]], int]:
    """Header and first rows of an experiment's table, and how many rows it has."""
    rows = list(csv.reader(io.StringIO((folder / TABLE).read_text(encoding="utf-8"))))
    return rows[0], rows[1 : most + 1], len(rows) - 1
