"""A command watched from outside: how long it took, how much memory it held, what it printed."""

import subprocess
import time
from pathlib import Path

EVERY = 0.1  # s


def watched(command, environment):
    """Seconds, peak memory in MiB of the process and all its descendants together, and the standard output of a command."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [str(part) for part in command], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    peak = 0
    while process.poll() is None:
        peak = max(peak, sum(map(held, (process.pid, *descendants(process.pid)))))
        time.sleep(EVERY)
    seconds, (output, errors) = time.perf_counter() - started, process.communicate()
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} ended with {process.returncode}:\n{errors[-2000:]}")
    return seconds, peak / 2**20, output


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
