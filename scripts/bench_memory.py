"""Does memory grow with the number of images? The same run on few and on many small ones, peak memory of each.

python scripts/bench_memory.py --few 2000 --many 20000
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image


def draw(root: Path, count: int) -> None:
    """`count` distinct images of 32 px in four classes."""
    for n in range(count):
        folder = root / f"class{n % 4}"
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(n).integers(0, 160, (32, 32, 3), dtype=np.uint8)
        pixels[..., n % 3] += np.uint8(20 * (n % 4))
        Image.fromarray(pixels).save(folder / f"{n}.png", compress_level=1)


def peak(work: Path, root: Path, mode: str) -> float:
    """Peak memory in MiB of one whole run: the largest of its processes."""
    arguments = [
        "train",
        "data=folder",
        "backbone=embedded",
        f"data.root={root}",
        f"out={work / 'run'}",
        "epochs=2",
        f"features.mode={mode}",
    ]
    code = f"import sys; sys.argv = ['ajuste-fino'] + {arguments!r}\nfrom ajuste_fino.cli import main\nmain()"
    child = (
        "import os, resource, subprocess, sys\n"
        f"done = subprocess.run([sys.executable, '-c', {code!r}], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
        "print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    environment = {"XDG_CACHE_HOME": str(work / "cache"), "PATH": "/usr/bin:/bin", "HOME": str(work)}
    done = subprocess.run([sys.executable, "-c", child], env=environment, capture_output=True, text=True, check=True)
    returncode, kilobytes = done.stdout.split()
    if returncode != "0":
        raise SystemExit(f"the run failed with exit code {returncode}")
    return int(kilobytes) / 1024


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--few", type=int, default=2_000)
    ask.add_argument("--many", type=int, default=20_000)
    ask.add_argument("--mode", choices=["cached", "live"], default="cached")
    args = ask.parse_args()
    peaks = []
    for count in (args.few, args.many):
        with tempfile.TemporaryDirectory() as name:
            draw(Path(name) / "photos", count)
            peaks.append(peak(Path(name), Path(name) / "photos", args.mode))
            print(f"{count:>7} images: peak {peaks[-1]:.0f} MiB", flush=True)
    print(f"difference: {peaks[1] - peaks[0]:.0f} MiB")


if __name__ == "__main__":
    main()
