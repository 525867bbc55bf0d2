"""The algorithm cells of the notebooks: short, true, and so tight that one wrong sign is found."""

import ast
import copy

import pytest

from ajuste_fino.lecture import NAMES
from tests.lecture.conftest import source

SWAPPED = {ast.Add: ast.Sub, ast.Sub: ast.Add}
# Cells without a sign of their own: one token, and another in its place
TOKENS = {"design": (" > best", " < best"), "pooling": ("max(w)", "min(w)")}


def cells(name):
    """(code of the first code cell, codes of the algorithm cells)."""
    code = [cell for cell in source(name).cells if cell.cell_type == "code"]
    return code[0].source, [cell.source for cell in code if "algorithm" in cell.metadata.get("tags", [])]


def statements(tree):
    """All nodes but those of calls of print: their signs are not the algorithm's."""
    todo = [tree]
    while todo:
        node = todo.pop()
        if not (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"):
            yield node
            todo += ast.iter_child_nodes(node)


def signs(tree):
    """(node, whether it is in an index or a range) of each +, − and unary minus."""
    inside = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript):
            inside |= set(map(id, ast.walk(node.slice)))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "range":
            inside |= set(map(id, ast.walk(node)))
    for node in statements(tree):
        if isinstance(node, ast.UnaryOp | ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Add | ast.Sub | ast.USub):
            yield node, id(node) in inside


def flipped(code):
    """(where, the code with one sign changed, what it must raise) for each sign of a cell."""
    for number in range(len(list(signs(ast.parse(code))))):
        tree = ast.parse(code)
        node, index = list(signs(tree))[number]
        where = f"{node.lineno}: {ast.unparse(node)}"
        node.op = ast.UAdd() if isinstance(node, ast.UnaryOp) else SWAPPED[type(node.op)]()
        # Elsewhere in an image, or outside of it
        yield where, compile(tree, "cell", "exec"), (AssertionError, LookupError, RuntimeError) if index else AssertionError


def changed(name, code):
    """As `flipped`, where the cell has no sign."""
    old, new = TOKENS[name]
    assert code.count(old) == 1
    yield f"{old} → {new}", compile(code.replace(old, new), "cell", "exec"), AssertionError


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


@pytest.fixture
def namespace(name):
    names = {}
    exec(cells(name)[0], names)
    return names


def test_it_is_short_and_shows_what_it_asserts(name):
    found = cells(name)[1]
    assert found
    for code in found:
        lines = [line for line in code.splitlines() if line.strip() and not line.strip().startswith("#")]
        assert 5 <= len(lines) <= 15
        nodes = list(ast.walk(ast.parse(code)))
        assert any(isinstance(node, ast.Assert) for node in nodes)
        assert any(isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print" for node in nodes)
        assert not any(isinstance(node, ast.FunctionDef) for node in nodes)


def test_it_runs_and_one_wrong_sign_is_found(name, namespace, capsys):
    tried = 0
    for code in cells(name)[1]:
        exec(code, copy.copy(namespace))
        assert capsys.readouterr().out
        for where, wrong, errors in changed(name, code) if name in TOKENS else flipped(code):
            tried += 1
            try:
                exec(wrong, copy.copy(namespace))
            except errors:
                continue
            pytest.fail(f"{name} runs with another sign in line {where}")
    assert tried >= 1
