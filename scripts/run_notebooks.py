"""Run every notebook, each in an empty namespace of one kernel, so that libraries are imported once.

    python scripts/run_notebooks.py [NAME …]             at their fast settings, in English; nothing is written
    python scripts/run_notebooks.py --write [NAME …]     at the settings of conf/lecture; written with outputs, in English to
                                                         NAME.ipynb and in Spanish to es/NAME.ipynb

Both are made of NAME.py: a cell with lang="en" or lang="es" in its first line belongs to that language, others to both.
Exits with 1 at the first cell that fails.
"""

import argparse
import base64
import io
import os
import time
from pathlib import Path

import jupytext
import nbformat
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from PIL import Image

from ajuste_fino.files import write_text
from ajuste_fino.runs.experiment import FAST

FOLDER = Path(__file__).parents[1] / "notebooks"
LANGUAGES = ("en", "es")
MOST_BYTES = 150_000  # of a stored figure
KEPT = ("kernelspec",)  # of a notebook's metadata: the rest is this machine's, or pairs it with a source of two languages
# In the kernel: what was measured for one language is drawn for the other
PREAMBLE = """
from ajuste_fino.runs import experiment
def remember(name, given, measure=experiment.measure, measured={}):  # all it reads outlives the %reset of a namespace
    key = name, repr(given)
    if key not in measured:
        measured[key] = measure(name, given)
    return measured[key]
experiment.measure = remember
"""


def folder(lang: str) -> Path:
    """Where the notebooks of a language are stored."""
    return FOLDER if lang == "en" else FOLDER / lang


def read(path: Path, lang: str) -> nbformat.NotebookNode:
    """The notebook of a .py in a language: its cells and those of no language, and the language that figures are drawn in."""
    notebook = jupytext.read(path)
    notebook.cells = [cell for cell in notebook.cells if cell.metadata.get("lang", lang) == lang]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = cell.source.replace('lang = "en"', f'lang = "{lang}"')
    return notebook


def run(path: Path, lang: str, manager, client) -> nbformat.NotebookNode:
    """The notebook of a .py in a language, with its outputs."""
    notebook = read(path, lang)
    runner = NotebookClient(notebook, km=manager, timeout=600, record_timing=False, coalesce_streams=True)
    runner.kc = client
    client.execute_interactive("%reset -f", silent=True)
    for number, cell in enumerate(notebook.cells):
        runner.execute_cell(cell, number)
    if not any("image/png" in output.get("data", {}) for output in outputs(notebook)):
        raise SystemExit(f"{path.name} shows no figure")
    return notebook


def outputs(notebook: nbformat.NotebookNode) -> list:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def write(notebook: nbformat.NotebookNode, path: Path) -> None:
    """Store a notebook in which only its cells and what they give can differ from one run to the next."""
    notebook.metadata = {key: notebook.metadata[key] for key in KEPT}
    for number, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{number}", {}
    for number, cell in enumerate((cell for cell in notebook.cells if cell.cell_type == "code"), start=1):
        cell.execution_count = number
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = number
    for output in outputs(notebook):
        if "image/png" in output.get("data", {}):
            output.data["image/png"] = base64.b64encode(smaller(base64.b64decode(output.data["image/png"]))).decode()
    nbformat.validate(notebook)
    write_text(path, nbformat.writes(notebook) + "\n")


def smaller(png: bytes) -> bytes:
    """A figure with as many colours, of at most 256, as its size allows."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    for colors in (256, 128, 64, 32):
        file = io.BytesIO()
        image.quantize(colors, dither=Image.Dither.NONE).save(file, format="png", optimize=True)
        if file.tell() <= MOST_BYTES:
            return file.getvalue()
    raise SystemExit(f"a figure of {file.tell()} bytes is too large to be stored")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="all of them, where none is named")
    parser.add_argument("--write", action="store_true", help="run at full settings and store the outputs")
    arguments = parser.parse_args()
    paths = [FOLDER / f"{name}.py" for name in arguments.names] or sorted(FOLDER.glob("*.py"))
    quiet = {"PYTHONWARNINGS": "ignore:IProgress not found"}  # Optuna's bar looks for a notebook's widgets
    environment = {**os.environ, **quiet, FAST: "0" if arguments.write else "1"}
    manager, client = start_new_kernel(kernel_name="python3", env=environment)
    begin = time.perf_counter()
    try:
        client.execute_interactive(PREAMBLE, silent=True)
        for path in paths:
            start = time.perf_counter()
            for lang in LANGUAGES if arguments.write else LANGUAGES[:1]:
                notebook = run(path, lang, manager, client)
                if arguments.write:
                    write(notebook, folder(lang) / f"{path.stem}.ipynb")
            print(f"{path.stem:16} {time.perf_counter() - start:5.1f} s", flush=True)
    except CellExecutionError as error:
        raise SystemExit(f"{path.name}: {error}") from error
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    print(f"{len(paths)} notebooks, {time.perf_counter() - begin:.1f} s")


if __name__ == "__main__":
    main()
