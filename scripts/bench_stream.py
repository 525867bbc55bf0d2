"""How much memory and time `train features.from` takes on 10⁵ and on 10⁶ rows: python scripts/bench_stream.py [ROWS …].

Drawn images give the about.json of a real backbone; its rows are then replaced by synthetic ones of the same width. A million
rows of 1,280 numbers take 5 GB on the disk of FOLDER (--folder, the temporary one), and are removed at the end.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from ajuste_fino.features.extracted import GROUPS, encoded, group_rows
from ajuste_fino.features.merge import Moments

CLASSES = 10
BACKBONE = "backbone=efficientnet_lite0"
SIGNAL = 0.1  # of a class, beside noise of 1


def command(*arguments: str) -> tuple[float, float]:
    """Run a verb; return its seconds and its peak memory in MB."""
    begun = time.perf_counter()
    child = subprocess.Popen([sys.executable, "-m", "ajuste_fino", *arguments], stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"ajuste-fino {' '.join(arguments)} failed")
    return time.perf_counter() - begun, usage.ru_maxrss / 1024


def about_of(folder: Path) -> dict:
    """The about.json of two drawn images."""
    for label in range(CLASSES):
        (folder / "images" / str(label)).mkdir(parents=True)
        Image.fromarray(np.full((32, 32, 3), 20 * label, np.uint8)).save(folder / "images" / str(label) / "0.png")
    command("extract", f"data.root={folder / 'images'}", f"out={folder / 'small'}", BACKBONE, "features.engine=torch")
    return json.loads((folder / "small" / "about.json").read_text(encoding="utf-8"))


def make(folder: Path, rows: int, about: dict) -> None:
    """Write so many rows as `extract` would, a file at a time."""
    width = about["shape"][0]
    keys = sorted(hashlib.sha256(str(n).encode()).hexdigest() for n in range(rows))
    rng, moments, files = np.random.default_rng(0), Moments(), []
    centres = SIGNAL * rng.normal(size=(CLASSES, width)).astype(np.float32)
    folder.mkdir()
    counts = [0] * CLASSES
    for start in range(0, rows, GROUPS * group_rows(width)):
        part = keys[start : start + GROUPS * group_rows(width)]
        labels = [int(key[-8:], 16) % CLASSES for key in part]
        features = rng.standard_normal((len(part), width), np.float32) + centres[labels]
        moments.add(features)
        columns = {
            "key": part,
            "file": [f"{label}/{key[:16]}.jpg" for key, label in zip(part, labels, strict=True)],
            "label": list(map(str, labels)),
            "split": [""] * len(part),
        }
        name = f"features-{len(files):05}.parquet"
        content = encoded(columns, features, group_rows(width))
        (folder / name).write_bytes(content)
        files.append({"name": name, "rows": len(part), "split": "", "sha256": hashlib.sha256(content).hexdigest()})
        counts = [count + labels.count(label) for label, count in enumerate(counts)]
    classes = {str(label): {"": count} for label, count in enumerate(counts)}
    changed = {"files": files, "rows": rows, "images": rows, "classes": classes, "statistics": {"": moments.metadata()}}
    (folder / "about.json").write_text(json.dumps({**about, **changed}), encoding="utf-8")


def measure(folder: Path, rows: int, about: dict, epochs: int) -> float:
    """Train on so many rows; print what it took, return the peak of memory in MB."""
    begun = time.perf_counter()
    make(folder / "features", rows, about)
    made = time.perf_counter() - begun
    keys = f"out={folder / 'run'}", f"epochs={epochs}", "batch_size=256"
    seconds, peak = command("train", f"features.from={folder / 'features'}", *keys)
    metrics = json.loads((folder / "run" / "metrics.json").read_text(encoding="utf-8"))
    fit = metrics["time/fit_s"]
    print(
        f"{rows:>9,} rows: peak {peak:,.0f} MB, {seconds:.0f} s in all, fit {fit:.0f} s for {epochs} epochs, "
        f"{0.8 * rows * epochs / fit:,.0f} rows of training and validation a second, test accuracy "
        f"{metrics['test/accuracy']:.4f} (made in {made:.0f} s)",
        flush=True,
    )
    for name in ("features", "run"):
        shutil.rmtree(folder / name)
    return peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", type=int, default=[10**5, 10**6])
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--folder", help="where the rows are written")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        about = about_of(Path(name))
        peaks = [measure(Path(name), rows, about, given.epochs) for rows in given.rows]
    print(f"Peaks of memory within {max(peaks) - min(peaks):,.0f} MB.")


if __name__ == "__main__":
    main()
