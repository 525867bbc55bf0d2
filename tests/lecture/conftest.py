"""Every experiment measured once, at the fast settings of its notebook's first cell."""

import ast
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import jupytext
import pytest

from ajuste_fino.lecture import experiment
from ajuste_fino.lecture.text import Texts

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


@cache
def source(name):
    """The cells of both languages, as they are edited."""
    return jupytext.read(NOTEBOOKS / f"{name}.py")


def fast(name):
    """The settings in the notebook: `settings = experiment_settings(NAME, fast=dict(…))`."""
    tree = ast.parse((NOTEBOOKS / f"{name}.py").read_text(encoding="utf-8"))
    call = next(n.value for n in tree.body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "settings")
    assert ast.literal_eval(call.args[0]) == name
    return {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords[0].value.keywords}


@pytest.fixture(scope="session")
def measured(request):
    """`measured(name)` → the findings."""
    request.getfixturevalue("cache")
    return _measured


@cache
def _measured(name):
    return experiment(name).measure(**fast(name))


@dataclass(frozen=True)
class RecordedTexts(Texts):
    """Texts that note which keys are asked for."""

    used: set = field(default_factory=set)

    def __call__(self, key, /, **values):
        self.used.add(key)
        return super().__call__(key, **values)


@pytest.fixture(scope="session")
def drawn(measured):
    """`drawn(name, lang)` → the figure, and the keys that it used."""

    @cache
    def draw(name, lang):
        texts = RecordedTexts.load(name, lang)
        return experiment(name).draw(measured(name), texts), texts.used

    return draw
