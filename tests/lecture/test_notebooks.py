"""Each notebook's source has both languages; what is stored has the cells of one, with outputs at the configured settings."""

import ast
import base64
import re

import nbformat
import pytest

from ajuste_fino.lecture import NAMES
from ajuste_fino.lecture.findings import NOT_REPRODUCED, PASS
from ajuste_fino.lecture.text import Texts
from ajuste_fino.runs.experiment import FAST, default_settings, experiment_settings
from tests.lecture.conftest import NOTEBOOKS, source

MOST_BYTES = 150_000


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


@pytest.fixture(params=("en", "es"))
def lang(request):
    return request.param


@pytest.fixture
def path(name, lang):
    """English notebooks are beside their sources, others in a folder of their language."""
    return (NOTEBOOKS if lang == "en" else NOTEBOOKS / lang) / f"{name}.ipynb"


@pytest.fixture
def notebook(path):
    return nbformat.read(path, as_version=4)


def outputs(notebook):
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def of_language(name, lang):
    """(type, source) of the cells of a notebook in a language."""
    kept = [cell for cell in source(name).cells if cell.metadata.get("lang", lang) == lang]
    return [(cell.cell_type, cell.source.replace('lang = "en"', f'lang = "{lang}"')) for cell in kept]


def test_every_passage_is_in_both_languages(name):
    languages = [cell.metadata["lang"] for cell in source(name).cells if "lang" in cell.metadata]
    assert languages == ["en", "es"] * (len(languages) // 2)
    assert all(cell.source.strip() and cell.cell_type == "markdown" for cell in source(name).cells if "lang" in cell.metadata)
    both = [cell.source for cell in source(name).cells if cell.cell_type == "markdown" and "lang" not in cell.metadata]
    assert all(text.startswith("$$") and text.endswith("$$") for text in both)


def test_the_first_code_cell_chooses_the_language(name):
    first = next(cell.source for cell in source(name).cells if cell.cell_type == "code")
    assert first.startswith('lang = "en"') and f'texts = Texts.load("{name}", lang)' in first
    assert sum('lang = "en"' in cell.source for cell in source(name).cells) == 1


def test_its_questions_are_answered_and_folded(name, lang):
    text = "\n".join(cell for _, cell in of_language(name, lang))
    assert "TODO" not in text
    assert [
        len(re.findall(part, text)) for part in (r"\*\*\d\.\*\*", "<details><summary>\\w+</summary>\n\n", "\n\n</details>")
    ] == [3] * 3
    assert f"`ajuste-fino lecture {name}{'' if lang == 'en' else ' lang=es'}`" in text


def test_its_cells_are_those_of_the_py(name, lang, notebook):
    cells = [(cell.cell_type, cell.source) for cell in notebook.cells]
    assert cells == of_language(name, lang), f"run: python scripts/run_notebooks.py --write {name}"


def test_its_outputs_are_those_of_the_settings_of_the_configuration(name, lang, notebook):
    shown = [output.data["text/plain"] for output in outputs(notebook) if output.output_type == "execute_result"]
    assert ast.literal_eval(shown[0]) == default_settings(name), f"run: python scripts/run_notebooks.py --write {name}"
    printed = [output.text for output in outputs(notebook) if output.output_type == "stream"]
    assert printed[-1].startswith(tuple(f"{Texts.load(name, lang)(verdict)}: " for verdict in (PASS, NOT_REPRODUCED)))


def test_its_outputs_are_small_and_tell_nothing_of_the_machine(path, notebook):
    figures = [output.data["image/png"] for output in outputs(notebook) if "image/png" in output.get("data", {})]
    assert len(figures) == 1
    assert len(base64.b64decode(figures[0])) <= MOST_BYTES
    assert all(output.output_type in ("execute_result", "stream") for output in outputs(notebook))
    assert all(output.get("name", "stdout") == "stdout" for output in outputs(notebook))
    assert all(cell.metadata == {} for cell in notebook.cells)
    assert notebook.metadata.keys() == {"kernelspec"}
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"[\s\"'(]/(home|root|work|tmp|Users|opt|usr)/", text)


def test_the_environment_chooses_the_fast_settings(monkeypatch):
    monkeypatch.delenv(FAST, raising=False)
    assert experiment_settings("relu", fast={"seeds": 1}) == default_settings("relu")
    monkeypatch.setenv(FAST, "1")
    assert experiment_settings("relu", fast={"seeds": 1}) == {"seeds": 1}
