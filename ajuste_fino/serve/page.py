"""The page: drop an image and see its label; a tab for many images; what the model is."""

import csv
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio

from ajuste_fino.data.content import BadImage
from ajuste_fino.errors import UserError
from ajuste_fino.escape import printable, to_cell
from ajuste_fino.serve.examiner import TOP, Examiner

COLUMNS = ["file", "label", "probability"]
TITLE = "What is on this image?"


class THEME(gradio.themes.Base):
    """Gradio's plain look in the letters that the machine has: others would be fetched from elsewhere."""

    def __init__(self) -> None:
        super().__init__(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])


def page(examiner: Examiner) -> gradio.Blocks:
    """The page of a model; it tells nobody of its use."""
    with gradio.Blocks(title="ajuste_fino", analytics_enabled=False) as blocks:
        gradio.Markdown(f"# {TITLE}")
        with gradio.Tab("One image"):
            _one(examiner)
        with gradio.Tab("Many images"):
            _many(examiner)
        with gradio.Tab("The model"):
            gradio.HTML(examiner.predictor.card.html())
    return blocks


def _one(examiner: Examiner) -> None:
    def show(path: str | None) -> tuple[Any, Any, Any]:
        if path is None:
            return None, None, []
        try:
            found = examiner.examine(path)
        except (BadImage, UserError) as error:
            raise gradio.Error(printable(str(error))) from error
        return {printable(label): p for label, p in found.prediction.top}, found.heat, found.nearest

    with gradio.Row():
        with gradio.Column():
            image = gradio.Image(type="filepath", image_mode=None, sources=["upload", "clipboard"], label="image", height=320)
            heat = gradio.Image(
                label="where it looks: warm parts speak for the label", interactive=False, height=320, buttons=["fullscreen"]
            )
        with gradio.Column():
            label = gradio.Label(num_top_classes=TOP, label="label")
            nearest = gradio.Gallery(label="training images that are most like it", columns=3, height="auto", interactive=False)
    image.change(show, image, [label, heat, nearest], api_visibility="private", show_progress="minimal")


def _many(examiner: Examiner) -> None:
    def show(paths: Sequence[str] | None) -> tuple[list[list[str]], str | None]:
        rows = [_row(examiner, Path(path)) for path in paths or []]
        return rows, _written(rows) if rows else None

    files = gradio.File(file_count="multiple", type="filepath", label="images")
    table = gradio.Dataframe(headers=COLUMNS, label="predictions", interactive=False, wrap=True)
    download = gradio.File(label="as CSV", interactive=False)
    files.change(show, files, [table, download], api_visibility="private")


def _row(examiner: Examiner, path: Path) -> list[str]:
    """An image as a row; where it cannot be decoded, what is wrong with it."""
    try:
        one = examiner.predict(path)
    except (BadImage, UserError) as error:
        return [printable(path.name), printable(str(error).replace(str(path), path.name)), ""]
    return [printable(path.name), printable(one.label), f"{one.probability:.4f}"]


def _written(rows: Sequence[Sequence[str]]) -> str:
    """The rows as a CSV file among Gradio's own, which go when the program ends."""
    path = Path(tempfile.mkdtemp(dir=os.environ.get("GRADIO_TEMP_DIR"))) / "predictions.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([[to_cell(cell) for cell in row] for row in [COLUMNS, *rows]])
    return str(path)
