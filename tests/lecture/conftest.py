"""Every experiment measured once, at the settings of its notebook's first cell."""

import ast
from functools import cache
from pathlib import Path

import pytest

from ajuste_fino.lecture import experiment

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def fast(name):
    """The settings in the notebook: `settings = dict(…)`."""
    tree = ast.parse((NOTEBOOKS / f"{name}.py").read_text(encoding="utf-8"))
    call = next(n.value for n in tree.body if isinstance(n, ast.Assign) and n.targets[0].id == "settings")
    return {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}


@pytest.fixture(scope="session")
def measured(request):
    """`measured(name)` → the findings."""
    request.getfixturevalue("cache")
    return _measured


@cache
def _measured(name):
    return experiment(name).measure(**fast(name))
