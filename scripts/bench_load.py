"""What training costs on a machine that others use: threads that spin, threads that sleep, and as many as the work needs.

    python scripts/bench_load.py
    python scripts/bench_load.py --loads 0 2 4 --repeat 3

Beside the run, `--loads` processes of this script compute without a pause. Three ways, in turns, so that what else the machine
does meets all of them:

    spin    torch's defaults: OpenMP's threads spin while they wait, as many as there are cores
    sleep   OMP_WAIT_POLICY=PASSIVE: they sleep at once, as many as there are cores
    ours    they spin for some microseconds, then sleep (ajuste_fino/__init__.py), and a training step gets a thread for
            each FLOPS_PER_THREAD operations (ajuste_fino/threads.py)

Printed: the median seconds of the part named, and in parentheses its ratio to `spin`.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
from pathlib import Path

from processes import watched

CASES = {  # what is run, and which of its times counts; the digits' features are cached by the first of all runs
    "head on cached features": (["epochs=10", "patience=10"], "time/fit_s"),
    "head with a hidden layer": (["head=lecture", "epochs=10", "patience=10"], "time/fit_s"),
    "small CNN from random weights": (["backbone=cnn", "phases=scratch", "epochs=1"], "time/fit_s"),
    "extraction, embedded": (["epochs=1"], "time/extract_s"),
}
OPENMP = ("OMP_WAIT_POLICY", "OMP_NUM_THREADS", "GOMP_SPINCOUNT")
ALL_THREADS = "import ajuste_fino.threads as t; t.FLOPS_PER_THREAD = 1e-9"
WAYS = {"spin": ("", f"import torch\n{ALL_THREADS}"), "sleep": ("PASSIVE", ALL_THREADS), "ours": ("", "")}


def compute():
    while True:
        sum(range(10_000))


def seconds(way, overrides, part, cache):
    """The seconds of one part of a run, which is a process of its own."""
    policy, before = WAYS[way]
    environment = {name: value for name, value in os.environ.items() if name not in OPENMP}
    environment |= {"XDG_CACHE_HOME": str(cache)} | ({"OMP_WAIT_POLICY": policy} if policy else {})
    with tempfile.TemporaryDirectory() as folder:
        run = f"import sys; sys.argv = ['ajuste-fino', 'train', *{overrides}, 'out={folder}/run']"
        watched([sys.executable, "-c", f"{before}\n{run}\nfrom ajuste_fino.cli import main; main()"], environment)
        return json.loads(Path(folder, "run", "metrics.json").read_text())[part]


def measure(case, repeat, cache):
    """The seconds of each way, `repeat` of each, in turns."""
    overrides, part = CASES[case]
    found = {way: [] for way in WAYS}
    for _ in range(repeat):
        for way in WAYS:
            with tempfile.TemporaryDirectory() as empty:
                found[way].append(seconds(way, overrides, part, empty if part == "time/extract_s" else cache))
    return {way: statistics.median(values) for way, values in found.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loads", type=int, nargs="+", default=[0, 2, 4])
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    print(f"{os.cpu_count()} cores, load before {os.getloadavg()[0]:.1f}\n")
    print(f"{'part':30} {'load':>4} " + " ".join(f"{way:>14}" for way in WAYS))
    with tempfile.TemporaryDirectory() as cache:
        seconds("ours", ["epochs=1"], "time/total_s", cache)
        for load in args.loads:
            others = [multiprocessing.Process(target=compute, daemon=True) for _ in range(load)]
            for other in others:
                other.start()
            for case in CASES:
                found = measure(case, args.repeat, cache)
                cells = (f"{s:6.1f} s ({s / found['spin']:4.2f})" for s in found.values())
                print(f"{case:30} {load:>4} " + " ".join(f"{cell:>14}" for cell in cells), flush=True)
            for other in others:
                other.terminate()


if __name__ == "__main__":
    main()
