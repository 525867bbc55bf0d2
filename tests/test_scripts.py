"""The scripts that measure are not run here, but what they import of the package must be there."""

import ast
import sys
from importlib import import_module
from math import sqrt
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
from peers_table import paired, standard_error

SCRIPTS = sorted((Path(__file__).parents[1] / "scripts").rglob("*.py"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_imports_what_there_is(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "a script says how it is called"
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ajuste_fino"):
            module = import_module(node.module)
            for alias in node.names:
                assert hasattr(module, alias.name) or import_module(f"{node.module}.{alias.name}")


def test_two_accuracies_are_compared_image_by_image():
    ours = dict(zip("abcdefgh", [1, 1, 0, 0, 1, 0, 1, 1], strict=True))
    other = dict(zip("abcdefgi", [1, 0, 1, 1, 1, 1, 1, 0], strict=True))
    b, c, n = 3, 1, 7  # h and i have one label only
    assert paired(other, ours) == pytest.approx((2 / 7, sqrt(b + c - (b - c) ** 2 / n) / n, n))
    assert paired(ours, ours) == (0, 0, 8)
    assert standard_error(0.8, 400) == pytest.approx(0.02)
