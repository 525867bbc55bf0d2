"""The sections of `data.html` and `suggest.html`: what is found, in the form in which their templates show it.

Each section is made by a function and shown by a macro of the same name in `templates/data_sections.html.j2`, so that any page
can have it. What is None was not looked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ajuste_fino.data.sample import Sample
from ajuste_fino.insight.forecast import Forecast
from ajuste_fino.report.pages import write_page
from ajuste_fino.report.thumbnails import COLUMNS, TILE, data_uri, sheet, thumbnails

WIDTH, HEIGHT, MARGIN = 1000, 640, 14  # of the map's drawing
CLASSES = 8  # that are told apart by colour; others share the last one


@dataclass(frozen=True)
class Shown:
    """How pictures of images are made: by how many threads, and at which depth of 16 bits."""

    workers: int
    depth: int | None = None

    def pictures(self, samples: Sequence[Sample]) -> list[str]:
        return thumbnails(samples, self.workers, self.depth)


def forecast(found: Forecast, by_class: Sequence[dict[str, Any]], figure: Path, images: int, warning: str) -> dict[str, Any]:
    """Would more photographs help? `by_class` has a row of numbers for each class, the largest gain first."""
    picture = data_uri(figure.read_bytes(), "png")
    return {"found": found, "by_class": by_class, "figure": picture, "images": images, "warning": warning}


def gallery(samples: Sequence[Sample], captions: Sequence[Sequence[str]], shown: Shown) -> list[dict[str, Any]]:
    """Pictures, each with lines of text below it: suspects, odd images, images to label."""
    pictures = shown.pictures(samples)
    rows = zip(samples, captions, pictures, strict=True)
    return [{"file": sample.file, "lines": lines, "picture": picture} for sample, lines, picture in rows]


def couples(pairs: Sequence[tuple[Sample, Sample, float]], shown: Shown) -> list[dict[str, Any]]:
    """Pictures of near duplicates, two and two."""
    pictures = shown.pictures([sample for one, other, _ in pairs for sample in (one, other)])
    return [
        {
            "likeness": likeness,
            "same_label": one.label == other.label,
            "sides": [
                {"file": side.file, "label": side.label, "split": side.split, "picture": pictures[2 * number + place]}
                for place, side in enumerate((one, other))
            ],
        }
        for number, (one, other, likeness) in enumerate(pairs)
    ]


def chart(
    samples: Sequence[Sample], places: Sequence[Sequence[float]], predicted: Sequence[str], labels: Sequence[str], shown: Shown
) -> dict[str, Any]:
    """The map: a dot for each image, coloured by its class, a ring around those whose label a head did not guess.

    Args:
        places: of each image, its two coordinates from 0 to 1.
        predicted: what heads that did not see an image take it for.
    """
    color = {label: min(number, CLASSES - 1) for number, label in enumerate(labels)}
    dots = [
        {
            "x": round(MARGIN + x * (WIDTH - 2 * MARGIN), 1),
            "y": round(MARGIN + (1 - y) * (HEIGHT - 2 * MARGIN), 1),
            "color": color[sample.label],
            "wrong": sample.label != guess,
            "text": _of_dot(sample, guess),
        }
        for sample, (x, y), guess in zip(samples, places, predicted, strict=True)
    ]
    legend = [(label, color[label]) for label in labels[: CLASSES - 1]]
    legend += [(f"{len(labels) - CLASSES + 1} other classes", CLASSES - 1)] if len(labels) > CLASSES else []
    legend += [(labels[CLASSES - 1], CLASSES - 1)] if len(labels) == CLASSES else []
    size = {"width": WIDTH, "height": HEIGHT, "tile": TILE, "columns": COLUMNS}
    return {"dots": dots, "legend": legend, "sheet": sheet(samples, shown.workers, shown.depth), **size}


def _of_dot(sample: Sample, guess: str) -> str:
    wrong = f", looks like {guess}" if guess != sample.label else ""
    return f"{sample.label}{wrong} · {sample.file} ({sample.split})"


def write_data_page(path: Path, **sections: Any) -> None:
    """Write `data.html`."""
    write_page(path, "data.html.j2", **sections)


def write_suggest_page(path: Path, **sections: Any) -> None:
    """Write `suggest.html`."""
    write_page(path, "suggest.html.j2", **sections)
