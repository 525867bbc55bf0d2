"""The stored notebooks: the cells of their .py, with small outputs at the settings of the configuration."""

import ast
import base64
import re

import jupytext
import nbformat
import pytest

from ajuste_fino.lecture import NAMES
from ajuste_fino.runs.experiment import FAST, default_settings, experiment_settings
from tests.lecture.conftest import NOTEBOOKS

MOST_BYTES = 150_000


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


@pytest.fixture
def notebook(name):
    return nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)


def outputs(notebook):
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def test_its_cells_are_those_of_the_py(name, notebook):
    source = jupytext.read(NOTEBOOKS / f"{name}.py")
    cells, written = ([(cell.cell_type, cell.source) for cell in one.cells] for one in (notebook, source))
    assert cells == written, f"run: python scripts/run_notebooks.py --write {name}"


def test_its_outputs_are_those_of_the_settings_of_the_configuration(name, notebook):
    shown = [output.data["text/plain"] for output in outputs(notebook) if output.output_type == "execute_result"]
    assert ast.literal_eval(shown[0]) == default_settings(name), f"run: python scripts/run_notebooks.py --write {name}"
    printed = "".join(output.text for output in outputs(notebook) if output.output_type == "stream")
    assert printed.startswith(("PASS: ", "NOT REPRODUCED: "))


def test_its_outputs_are_small_and_tell_nothing_of_the_machine(name, notebook):
    figures = [output.data["image/png"] for output in outputs(notebook) if "image/png" in output.get("data", {})]
    assert len(figures) == 1
    assert len(base64.b64decode(figures[0])) <= MOST_BYTES
    assert all(output.output_type in ("execute_result", "stream") for output in outputs(notebook))
    assert all(output.get("name", "stdout") == "stdout" for output in outputs(notebook))
    assert all(cell.metadata == {} for cell in notebook.cells)
    assert notebook.metadata.keys() == {"kernelspec", "jupytext"}
    text = (NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8")
    assert not re.search(r"[\s\"'(]/(home|root|work|tmp|Users|opt|usr)/", text)


def test_the_environment_chooses_the_fast_settings(monkeypatch):
    monkeypatch.delenv(FAST, raising=False)
    assert experiment_settings("relu", fast={"seeds": 1}) == default_settings("relu")
    monkeypatch.setenv(FAST, "1")
    assert experiment_settings("relu", fast={"seeds": 1}) == {"seeds": 1}
