"""A command watched from outside: how long it took, how much memory it held, what it printed."""

import subprocess
import tempfile
import time
from pathlib import Path

EVERY = 2.0  # s; to add up the pages of a large process takes some of the time that is being measured


def watched(command, environment):
    """Seconds, peak memory in MiB of the process and all its descendants together, and the standard output of a command."""
    started = time.perf_counter()
    peak = 0
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:  # a full pipe would stop it
        process = subprocess.Popen([str(part) for part in command], env=environment, stdout=output, stderr=errors)
        while running(process):
            peak = max(peak, sum(map(held, (process.pid, *descendants(process.pid)))))
        seconds = time.perf_counter() - started
        said, complaint = (file.seek(0) or file.read() for file in (output, errors))
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} ended with {process.returncode}:\n{complaint[-2000:]}")
    return seconds, peak / 2**20, said


def running(process):
    """Whether a process still runs after a while; not a moment is lost once it has ended."""
    try:
        process.wait(EVERY)
    except subprocess.TimeoutExpired:
        return True
    return False


def held(pid):
    """Bytes of memory that a process holds; pages that it shares with others count in part, as many as they are."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:  # it has just ended
        return 0
    return int(rollup.partition("Pss:")[2].split()[0]) * 1024


def descendants(pid):
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [one for child in children for one in (int(child), *descendants(int(child)))]
