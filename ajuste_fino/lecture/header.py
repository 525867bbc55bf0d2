"""The head of a figure: what is shown, the verdict on the claim, and the checks that speak against it."""

import textwrap

from matplotlib.figure import Figure
from matplotlib.text import Annotation

from ajuste_fino.lecture.findings import NOT_JUDGED, NOT_REPRODUCED, PASS, Findings
from ajuste_fino.lecture.text import Texts

COLORS = {PASS: "#00664a", NOT_REPRODUCED: "#a34700", NOT_JUDGED: "#555555"}
MARGIN = 14  # px, as all lengths here
TITLE, LINE = 38, 21  # heights, with the space below
WIDTH = 122  # letters of verdict and claim in a line


def write_header(figure: Figure, findings: Findings, texts: Texts) -> float:
    """Write title, verdict, claim and failed checks from the top down; return the share of the height that is left."""
    height = figure.get_figheight() * figure.dpi
    left, top = MARGIN / (figure.get_figwidth() * figure.dpi), MARGIN
    figure.suptitle(texts("title"), x=left, y=1 - top / height, ha="left", va="top", fontsize=17, weight="bold")
    top += TITLE
    verdict = texts(findings.verdict)
    claim = textwrap.wrap(texts("claim"), WIDTH - len(verdict), break_on_hyphens=False)
    _write_verdict(figure, left, 1 - top / height, verdict, COLORS[findings.verdict], "\n".join(claim))
    top += LINE * len(claim) + 6
    for check in findings.against if findings.verdict == NOT_REPRODUCED else ():
        figure.text(left, 1 - top / height, check.line(texts), va="top", fontsize=12, color=COLORS[NOT_REPRODUCED])
        top += LINE
    return 1 - top / height


def _write_verdict(figure: Figure, x: float, y: float, verdict: str, color: str, claim: str) -> None:
    """The verdict as a coloured label, and the claim beside it."""
    patch = {"boxstyle": "round,pad=0.25", "facecolor": color, "edgecolor": "none"}
    label = figure.text(x + 0.004, y, verdict, va="top", fontsize=12, weight="bold", color="white", bbox=patch)
    beside = Annotation(claim, (1, 1), xycoords=label, xytext=(12, 0), textcoords="offset points", va="top", fontsize=12)
    figure.add_artist(beside)
