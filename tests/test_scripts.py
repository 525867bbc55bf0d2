"""The scripts that measure are not run here, but what they import of the package must be there."""

import ast
import sys
from dataclasses import replace
from importlib import import_module
from math import inf, sqrt
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
import bench_scale
from peers_table import paired, standard_error
from scale_model import Costs, Machines, cores_needed, parts_and_chunks, plan, slowest, stages, times_read
from scale_simulation import simulated

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


COSTS = Costs(1e5, 0.008, 0.001, 0.001, 1280, 5000, 1e-6, 0.002, 1e-4, 700, 1e-5, 1e-4)
FREE = Machines(2, 4, inf, inf)


@pytest.mark.parametrize(
    ("changed", "stage", "rate"),
    [
        ({}, "decode", 2 * 4 / 0.008),
        ({"devices": 8}, "decode", 8 * 4 / 0.008),
        ({"cores": 16}, "forward", 2 / (0.001 + 0.001)),
        ({"wait": 0.032}, "decode", 2 * 4 / (0.032 + 0.008)),
        ({"devices": 200, "read": 1e9}, "read", 1e9 / 1e5),
        ({"devices": 200, "write": 1e7}, "write", 1e7 / 5000),
        ({"beside": False}, "decode + forward", 2 / (0.008 / 4 + 0.001 + 0.001)),
    ],
)
def test_the_slowest_stage_decides(changed, stage, rate):
    assert slowest(COSTS, replace(FREE, **changed)) == (stage, pytest.approx(rate))


def test_as_many_cores_as_needed_decode_as_fast_as_the_device_computes():
    for wait in (0, 0.03):
        found = stages(COSTS, replace(FREE, cores=cores_needed(COSTS, wait), wait=wait))
        assert found["decode"] == pytest.approx(found["forward"])


def test_a_plan_adds_what_one_process_does_for_all():
    few, many = (plan(COSTS, FREE, images) for images in (10**6, 10**8))
    assert few.extract == pytest.approx(10**6 / 1000) and few.bytes == 10**6 * 5000
    assert few.listing == pytest.approx(1) and many.listing == pytest.approx(50 * 100), "two devices, a hundred shards"
    assert few.epoch == pytest.approx(80) and few.index == pytest.approx(10) and few.memory == 7e8
    parts, chunks = parts_and_chunks(1280, 10**6, 2, 500)
    assert few.merge == pytest.approx(parts * chunks * 0.002 + 100)
    assert many.merge - 10**4 > 100 * (few.merge - 100), "the merge opens every part for every chunk"


@pytest.mark.parametrize(("rows", "shards", "often"), [(1000, 1, 1), (1, 800, 1), (2, 2, 1.5), (10**5, 8, 8)])
def test_how_often_rows_that_lie_together_are_read(rows, shards, often):
    assert times_read(rows, shards) == pytest.approx(often)


@pytest.mark.parametrize(
    ("rows", "shards", "a_second", "found"),
    [
        (13107, 1, inf, (1, 1)),  # 64 MiB of 1,280 numbers
        (13108, 1, inf, (2, 1)),
        (13107, 8, inf, (8, 1)),
        (6000, 1, 10, (10, 1)),  # of a minute each
        (3 * 16384 + 1, 1, inf, (4, 2)),
    ],
)
def test_parts_and_chunks(rows, shards, a_second, found):
    assert parts_and_chunks(1280, rows, shards, a_second) == found


def test_workers_that_sleep_are_no_faster_than_the_model():
    costs, machines = replace(COSTS, decode_s=0.0005), replace(FREE, read=1e9, write=1e9)
    _, rate = slowest(costs, machines)
    assert 0 < simulated(costs, machines, 0.2, rate) <= rate


def test_the_script_of_scale_says_how_it_is_called(monkeypatch, capsys):
    for arguments, code in ((["--help"], 0), ([], 2)):
        monkeypatch.setattr(sys, "argv", ["bench_scale.py", *arguments])
        with pytest.raises(SystemExit) as ended:
            bench_scale.main()
        assert ended.value.code == code
    said = capsys.readouterr()
    assert "--gpu-images" in said.out and "FOLDER" in said.err


@pytest.mark.parametrize(
    ("seconds", "said"), [(3, "3.0 s"), (150, "2.5 min"), (9000, "2.5 h"), (5 * 86400, "5.0 days"), (10**8, "3.2 years")]
)
def test_durations(seconds, said):
    assert bench_scale.duration(seconds) == said
