"""Ctrl-C and SIGTERM and SIGHUP, sent to a real process."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from ajuste_fino import load

TRAIN = ["-m", "ajuste_fino", "train", "data=folder", "epochs=100000", "patience=100000", "backbone.weights=none", "workers=0"]


def stopped(arguments, ready, number):
    """Start, wait until `ready()`, send the signal; exit code, seconds it took, what it printed."""
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    limit = time.monotonic() + 120
    while not ready() and process.poll() is None and time.monotonic() < limit:
        time.sleep(0.2)
    begun = time.monotonic()
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    return process.returncode, time.monotonic() - begun, out


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_while_training(photos, tmp_path, number, code):
    out = tmp_path / "run"
    ready = (out / "checkpoints" / "last.ckpt").exists
    found, seconds, text = stopped([*TRAIN, f"data.root={photos}", f"out={out}"], ready, number)
    assert found == code, text
    assert seconds < 10
    assert "Traceback" not in text
    assert (out / "checkpoints" / "last.ckpt").exists()
    assert not [name for name in os.listdir(out / "checkpoints") if name.endswith(".tmp")]
    assert f"ajuste-fino predict run={out}" in text
    assert text.rstrip().endswith(f"ajuste-fino: Stopped. Go on: ajuste-fino train resume={out}")
    assert load(out).predict(next(photos.rglob("*.png"))).label in ("1", "2", "10")
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["stopped"] and metrics["frozen/unchanged"]


def test_while_libraries_are_imported(photos, tmp_path):
    begun = time.monotonic()
    found, seconds, text = stopped(
        [*TRAIN, f"data.root={photos}", f"out={tmp_path / 'run'}"], lambda: time.monotonic() > begun + 2, 2
    )
    assert found == 130, text
    assert seconds < 5
    assert not (tmp_path / "run").exists()
