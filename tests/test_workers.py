"""A signal to all processes of a group, as a terminal or a scheduler sends it."""

import os
import signal
import subprocess
import sys

import pytest

SCRIPT = """
import os, signal, sys, time
from torch.utils.data import Dataset
from ajuste_fino import cli
from ajuste_fino.data.loading import loader
from ajuste_fino.data.order import EpochBatchSampler

class Slow(Dataset):
    def __getitem__(self, positions):
        time.sleep(0.1)
        return positions

def work(_):
    for number, _ in enumerate(loader(Slow(), EpochBatchSampler(400, 4), 2)):
        if number == 3:
            os.killpg(0, int(sys.argv[1]))

cli._dispatch = work
for number in cli._stops():
    signal.signal(number, cli._leave_in_order)
cli.leave(cli._run([]))
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_one_sentence_and_no_traceback_of_the_workers(tmp_path, number, code):
    (tmp_path / "work.py").write_text(SCRIPT)
    command = [sys.executable, tmp_path / "work.py", str(int(number))]
    done = subprocess.run(command, capture_output=True, text=True, start_new_session=True, timeout=60, env={**os.environ})
    assert (done.returncode, done.stderr) == (code, "ajuste-fino: Stopped.\n")
