"""Completion: what may follow a line, and bash itself, which asks for it."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ajuste_fino.runs.completion import words

LINES = [
    ("tra", ["train "]),
    ("train epo", ["epochs="]),
    ("train opti", ["optimizer.", "optimizer="]),
    (
        "train optimizer=ada",
        ["optimizer=adadelta ", "optimizer=adagrad ", "optimizer=adam ", "optimizer=adamax ", "optimizer=adamw "],
    ),
    ("train -m optimizer=sgd,adamw", ["optimizer=sgd,adamw"]),
    ("train optimizer=sgd optimizer.f", ["optimizer.formulation="]),
    ("train optimizer.f", []),
    (
        "train data.augment.",
        [f"data.augment.{name}=" for name in ("color", "erase", "flip", "scale", "trivial")],
    ),
    ("train augment=s", ["augment=standard ", "augment=strong "]),
    ("train augment=own data.augment._", ["data.augment._target_="]),
    ("sweep ~space.h", ["~space.head."]),
    ("find", ["find-lr "]),
    ("find-lr find.l", ["find.lowest="]),
    ("train data.root=", ["<path>"]),
    ("predict run='my ru", ["<path>"]),
    ("train --config-dir ", ["<path>"]),
    ("train --c", ["--cfg ", "--config-dir "]),
    ("lecture mom", ["momentum "]),
    ("lecture momentum al", ["alpha="]),
    ("trian ", []),
    ("completion ", ["bash ", "fish ", "zsh "]),
]


@pytest.mark.parametrize(("line", "found"), LINES)
def test_what_may_follow(line, found):
    assert words(f"ajuste-fino {line}") == found


def test_names_of_ones_own(tmp_path):
    (tmp_path / "optimizer").mkdir()
    (tmp_path / "optimizer" / "mine.yaml").write_text("_target_: torch.optim.SGD\nlr: 0.01\n")
    assert words(f"ajuste-fino train --config-dir {tmp_path} optimizer=mi") == ["optimizer=mine "]


@pytest.fixture
def bash(tmp_path):
    """`bash(line)` → what bash would put in the place of the word at its end, or the paths that it completes itself."""
    command = tmp_path / "bin" / "ajuste-fino"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ajuste_fino "$@"\n')
    command.chmod(0o755)
    environment = {**os.environ, "PATH": f"{command.parent}:{os.environ['PATH']}", "PYTHONPATH": str(Path(__file__).parents[1])}

    def call(line):
        script = f"""eval "$(ajuste-fino completion bash)"
compopt() {{ printf '%s,' "$@"; }}
COMP_LINE={line!r}; COMP_POINT=${{#COMP_LINE}}
_ajuste_fino ajuste-fino
printf '%s|' "${{COMPREPLY[@]}}"
complete -p ajuste-fino"""
        done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=True)
        assert not done.stderr
        return done.stdout.rpartition("complete -o nospace -F _ajuste_fino ajuste-fino")[0]

    return call


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_verbs_keys_names_and_paths(bash):
    assert bash("ajuste-fino tra") == "train |"
    assert bash("ajuste-fino train opti") == "optimizer.|optimizer=|"
    assert bash("ajuste-fino train optimizer=adamw") == "adamw |"  # = separates words
    assert bash("ajuste-fino train -m optimizer=sgd,adamw") == "sgd,adamw|"
    assert bash("ajuste-fino train data.root=ph") == "-o,default,+o,nospace,|"


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_a_tab_takes_no_time(bash):
    times = []
    for _ in range(3):
        begun = time.perf_counter()
        bash("ajuste-fino train optimizer=")
        times.append(time.perf_counter() - begun)
    assert min(times) < 1  # twice the command: for the script, and for the words
