"""What a trained model shows of itself: a line in a terminal, a table with its learning curves in a notebook."""

import base64
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from ajuste_fino.escape import printable

SHOWN = 5  # classes that the line names
METRICS = {
    "test/accuracy": "test accuracy",
    "test/macro_f1": "test macro F1",
    "val/accuracy": "validation accuracy",
    "val/loss": "validation loss",
    "folds/accuracy": "accuracy, mean of the folds",
    "epoch": "epoch that was kept",
    "time/total_s": "seconds of the run",
}


@dataclass(frozen=True)
class ModelCard:
    """A model in words: its backbone, what it reads, its classes, the metrics of its run, the image of its curves.

    `origin` says whose the weights of its backbone are, and under which licence.
    """

    backbone: str
    size: int
    precision: str
    labels: list[str]
    metrics: dict[str, Any]
    curves: Path | None
    origin: str = ""

    @property
    def classes(self) -> str:
        """The first classes, and how many there are."""
        more = len(self.labels) - SHOWN
        return ", ".join(printable(label) for label in self.labels[:SHOWN]) + (f" and {more} more" if more > 0 else "")

    @property
    def results(self) -> dict[str, str]:
        """The metrics worth showing, those that are known."""
        known = [(key, name, self.metrics[key]) for key, name in METRICS.items() if self.metrics.get(key) is not None]
        return {name: f"{_short(value)}{self._interval(key)}" for key, name, value in known}

    def _interval(self, key: str) -> str:
        limits = [self.metrics.get(f"{key}_{end}") for end in ("low", "high")]
        return f" ({limits[0]:.3f} to {limits[1]:.3f})" if None not in limits else ""

    def line(self) -> str:
        accuracy = [f"; {name} {value}" for name, value in self.results.items() if name.endswith("accuracy")]
        classes = f"{len(self.labels)} classes: {self.classes}"
        return f"Predictor({self.backbone}, images of {self.size} px, {self.precision}; {classes}{''.join(accuracy[:1])})"

    def html(self) -> str:
        """A table in the page's own colours, so that it can be read on a light and on a dark background."""
        weights = {"weights": self.origin} if self.origin else {}
        facts = {
            "backbone": self.backbone,
            **weights,
            "images": f"{self.size} px",
            "precision": self.precision,
            "classes": self.classes,
        }
        rows = "".join(
            f'<tr><th style="text-align: left">{escape(name)}</th><td style="text-align: left">{escape(value)}</td></tr>'
            for name, value in {**facts, **self.results}.items()
        )
        return f'<table style="color: inherit; background: none">{rows}</table>{self._image()}'

    def _image(self) -> str:
        if self.curves is None or not self.curves.is_file():
            return ""
        data = base64.b64encode(self.curves.read_bytes()).decode()
        return f'<img alt="learning curves" style="max-width: 100%; background: white" src="data:image/png;base64,{data}">'


def _short(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
