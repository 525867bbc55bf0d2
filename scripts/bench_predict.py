"""How fast `predict` is beside the extraction of features, and what the calibration of a run is worth on its test split.

    python scripts/bench_predict.py FOLDER [key=value …]

Trains on FOLDER with an empty cache (whose `time/extract_s` is decoding and the backbone's pass over all images), then names
what is on all of its images with an empty cache again, from start to exit, less what a single image takes: imports and the
model. Further keys go to `train`.

Calibration: the expected calibration error of the test split by the probabilities of the run, and by those before they were
divided by its temperature (a power of them, made to sum to 1).
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

import torch
from processes import watched

from ajuste_fino.calibration import ece
from ajuste_fino.files import read_csv


def command(verb, cache, *keys):
    seconds, *_ = watched(
        [sys.executable, "-m", "ajuste_fino", verb, *map(str, keys)], {**os.environ, "XDG_CACHE_HOME": str(cache)}
    )
    return seconds


def calibration(run):
    """Of the test split, the error before and after, and the temperature."""
    rows = read_csv(run / "predictions_test.csv")
    labels = [name for name in rows[0] if name.startswith("p:")]
    after = torch.tensor([[float(row[name]) for name in labels] for row in rows], dtype=torch.float64)
    targets = torch.tensor([labels.index(f"p:{row['label']}") for row in rows])
    temperature = json.loads((run / "metrics.json").read_text())["calibration/temperature"]
    before = after.clamp(min=1e-9) ** temperature
    return ece(before / before.sum(1, keepdim=True), targets), ece(after / after.sum(1, keepdim=True), targets), temperature


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("keys", nargs="*", help="key=value of train")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        run = home / "run"
        command("train", home / "first", "data=folder", f"data.root={args.folder.absolute()}", f"out={run}", *args.keys)
        metrics = json.loads((run / "metrics.json").read_text())
        images = len(read_csv(run / "split.csv"))
        extraction = images / metrics["time/extract_s"]
        one = next(path for path in sorted(args.folder.rglob("*")) if path.suffix.lower() in (".jpg", ".png"))
        alone = command("predict", home / "second", f"run={run}", f"images={one}")
        every = command("predict", home / "third", f"run={run}", f"images={args.folder}", f"csv={home / 'table.csv'}")
        rate = (len(read_csv(home / "table.csv")) - 1) / (every - alone)
        before, after, temperature = calibration(run)
    print("| extraction, images/s | predict, images/s | ratio | test ECE before | after | temperature |")
    print("|---|---|---|---|---|---|")
    print(f"| {extraction:.0f} | {rate:.0f} | {rate / extraction:.2f} | {before:.4f} | {after:.4f} | {temperature:.3f} |")


if __name__ == "__main__":
    main()
