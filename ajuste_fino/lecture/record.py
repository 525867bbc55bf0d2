"""An experiment's files: the figure, the table, the animation where there is one, and `claim.json`, which comes last."""

import csv
import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from matplotlib import rc_context

from ajuste_fino.files import atomic, write_bytes, write_csv, write_json
from ajuste_fino.lecture.findings import Check, Findings
from ajuste_fino.lecture.slide import STYLE, png
from ajuste_fino.lecture.text import Texts

FIGURE, TABLE, CLAIM, ANIMATION = "figure.png", "table.csv", "claim.json", "animation.gif"
ANIMATION_DPI = 60  # 768 × 432 px


def write(
    module: ModuleType, findings: Findings, folder: Path, settings: Mapping[str, Any], texts: Texts, seconds: float
) -> None:
    """Write the files of an experiment that has been measured."""
    figure = module.draw(findings, texts)
    write_bytes(folder / FIGURE, png(figure))
    if hasattr(module, "animate"):
        _animation(module.animate(findings, texts), folder / ANIMATION)
    header = list(dict.fromkeys(key for row in findings.rows for key in row))
    write_csv(folder / TABLE, header, [[row.get(key, "") for key in header] for row in findings.rows])
    plain = claim(module, findings, settings, texts)
    write_json(folder / CLAIM, {**plain, "head": round(figure.head, 4), "seconds": round(seconds, 1)})


def claim(module: ModuleType, findings: Findings, settings: Mapping[str, Any], texts: Texts) -> dict[str, Any]:
    """What was claimed, expected and found, as plain values."""
    return {
        "name": texts.name,
        "title": texts("title"),
        "claim": texts("claim"),
        "verdict": findings.verdict,
        "checks": [_plain(check, texts) for check in findings.checks],
        "formulas": list(module.FORMULAS),
        "uses": list(module.USES),
        "note": texts("note") if "note" in texts else None,
        "settings": dict(settings),
        "lang": texts.lang,
    }


def _plain(check: Check, texts: Texts) -> dict[str, Any]:
    """A check as JSON, which has neither NaN nor infinity: an infinite bound is null, such a value is its name."""
    low, high = (float(bound) if math.isfinite(bound) else None for bound in (check.low, check.high))
    return {
        "what": check.sentence(texts),
        "value": float(check.value) if math.isfinite(check.value) else str(float(check.value)),
        "low": low,
        "high": high,
        "holds": check.holds,
        "identity": check.identity,
        "beyond": check.informational,
        "why": check.reason(texts),
    }


def read_claim(folder: Path) -> dict[str, Any]:
    """Return the `claim.json` of an experiment that was run."""
    found: dict[str, Any] = json.loads((folder / CLAIM).read_text(encoding="utf-8"))
    return found


def is_done(folder: Path, settings: Mapping[str, Any], lang: str) -> bool:
    """Return whether a folder holds the experiment with these settings, and no identity of it is broken."""
    if not (folder / CLAIM).is_file():
        return False
    claim = read_claim(folder)
    holds = all(check["holds"] for check in claim["checks"] if check["identity"])
    return holds and (claim["settings"], claim["lang"]) == (dict(settings), lang)


def _animation(animation: Any, path: Path) -> None:
    with atomic(path) as temporary, rc_context(STYLE):
        gif = temporary.with_suffix(".gif")  # the writer goes by the name's ending
        try:
            animation.save(gif, writer="pillow", dpi=ANIMATION_DPI)
            gif.replace(temporary)
        finally:
            gif.unlink(missing_ok=True)


def table(folder: Path, most: int) -> tuple[list[str], list[list[str]], int]:
    """Header and first rows of an experiment's table, and how many rows it has."""
    rows = list(csv.reader(io.StringIO((folder / TABLE).read_text(encoding="utf-8"))))
    return rows[0], rows[1 : most + 1], len(rows) - 1
