"""The command in a process begun anew, as a shell would: for what the fork of a warm process would hide."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from processes import descendants, held

BEGUN: list[subprocess.Popen] = []


def begin(*words: object, **environment: str) -> subprocess.Popen:
    """Start `ajuste-fino WORDS` as the leader of a process group."""
    command = [sys.executable, "-m", "ajuste_fino", *map(str, words)]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True, "errors": "replace"}
    environment = {**os.environ, **environment}
    process = subprocess.Popen(command, env=environment, start_new_session=True, preexec_fn=heed_signals, **pipes)
    BEGUN.append(process)
    return process


def heed_signals() -> None:
    """Undo that `nohup`, or a shell for what it runs in the background, has signals ignored."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def end_all() -> None:
    """End what is still at work, after Ctrl-C."""
    for process in multiprocessing.active_children():
        process.kill()
    for process in BEGUN:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stderr.close()
    BEGUN.clear()


def measured(*words: object, limit: float = 300) -> tuple[int, float, float, str]:
    """Exit code, seconds, the most MiB that it and its children held at a time, and what it said."""
    begun, most = time.perf_counter(), 0
    process = begin(*words)
    while process.poll() is None and time.perf_counter() - begun < limit:
        most = max(most, sum(map(held, (process.pid, *descendants(process.pid)))))
        time.sleep(0.1)
    seconds = time.perf_counter() - begun
    process.kill()
    return process.returncode, seconds, most / 2**20, process.communicate()[1]


def alive(pids: list[int]) -> list[int]:
    """Those of the processes that are still there, zombies aside."""
    return [pid for pid in pids if Path(f"/proc/{pid}/stat").exists() and " Z " not in Path(f"/proc/{pid}/stat").read_text()]
