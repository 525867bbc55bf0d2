"""The parts of `report.html`, `data.html` and `suggest.html` that show images and features, as their templates need it.

What is said of an image is a dictionary, with its `file` and its picture, `image`, which is empty where it cannot be read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ajuste_fino.data.sample import Sample
from ajuste_fino.report.html import page_texts, render
from ajuste_fino.report.thumbnails import COLUMNS, TILE, sheet, thumbnails

WIDTH, HEIGHT, MARGIN = 1000, 640, 14  # of the map's drawing
CLASSES = 8  # that are told apart by colour; others share the last one
SIDE = 160  # px, of thumbnails: twice what they take on a phone, for screens of fine pixels


@dataclass(frozen=True)
class Shown:
    """How pictures of images are made: by how many threads, and at which depth of 16 bits."""

    workers: int
    depth: int | None = None

    def images(self, samples: Sequence[Sample], given: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Pictures, each with what is said of it."""
        pictures = thumbnails(samples, self.workers, self.depth, SIDE)
        rows = zip(samples, given, pictures, strict=True)
        return [{"file": sample.file, "label": sample.label, "image": picture} | dict(said) for sample, said, picture in rows]


def couples(pairs: Sequence[tuple[Sample, Sample, float]], shown: Shown) -> list[dict[str, Any]]:
    """Pictures of near duplicates, two and two."""
    sides = [side for one, other, _ in pairs for side in (one, other)]
    images = shown.images(sides, [{"split": side.split} for side in sides])
    return [
        {"likeness": likeness, "same_label": one.label == other.label, "sides": images[2 * number : 2 * number + 2]}
        for number, (one, other, likeness) in enumerate(pairs)
    ]


def chart(
    samples: Sequence[Sample], places: Sequence[Sequence[float]], guesses: Sequence[str], labels: Sequence[str], shown: Shown
) -> dict[str, Any]:
    """The map: a dot for each image, coloured by its class, a ring around those whose label a head did not guess.

    Args:
        places: of each image, its two coordinates from 0 to 1.
        guesses: what heads that did not see an image take it for.
    """
    color = {label: min(number, CLASSES - 1) for number, label in enumerate(labels)}
    dots = [
        {
            "x": round(MARGIN + x * (WIDTH - 2 * MARGIN), 1),
            "y": round(MARGIN + (1 - y) * (HEIGHT - 2 * MARGIN), 1),
            "color": color[sample.label],
            "wrong": sample.label != guess,
            "label": sample.label,
            "guess": guess,
            "file": sample.file,
            "split": sample.split,
        }
        for sample, (x, y), guess in zip(samples, places, guesses, strict=True)
    ]
    own = labels if len(labels) <= CLASSES else labels[: CLASSES - 1]
    legend = {"legend": [(label, color[label]) for label in own], "others": len(labels) - len(own), "others_color": CLASSES - 1}
    size = {"width": WIDTH, "height": HEIGHT, "tile": TILE, "columns": COLUMNS}
    return {"dots": dots, "sheet": sheet(samples, shown.workers, shown.depth), **legend, **size}


def data_page(lang: str, run: str, about: str, found: Mapping[str, Any]) -> str:
    """`data.html`: the parts that were found, by their names."""
    texts = page_texts(lang, "data")
    return render(texts, {"title": texts("data_title"), "name": run, "about": about, "parts": list(found), "found": found})


def suggest_page(lang: str, run: str, about: str, images: Sequence[Mapping[str, Any]]) -> str:
    """`suggest.html`."""
    texts = page_texts(lang, "data")
    context = {"title": texts("suggest_title"), "name": run, "about": about, "parts": ["suggested"], "suggested": images}
    return render(texts, context)
