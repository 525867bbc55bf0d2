"""Where the time of a run goes, beside the least it could take: everything in one sitting, on the same images.

    python scripts/bench_pipeline.py FOLDER
    python scripts/bench_pipeline.py FOLDER --backbone squeezenet1_1 --weights squeezenet1_1.pth --repeat 3

Printed: bare decoding (read, decode, resize, by as many threads as there are cores) and bare forward (the network on
batches that are already there, at the batch size, memory layout and allocator setting that serve it best), our extraction
(hashing, decoding, infos, network, features on disk), a whole first run and a whole cached rerun, each a process from
start to exit with its peak memory. Each line is the median of `--repeat` interleaved rounds, because machines are shared.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from processes import watched

from ajuste_fino.backbone import build
from ajuste_fino.data.images import load_image
from ajuste_fino.data.kinds import SUFFIXES
from ajuste_fino.data.transforms import Preprocessing
from ajuste_fino.memory import keep_freed_memory

BATCHES = (16, 64)


def decode(paths, preprocessing):
    started = time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        pixels = list(pool.map(lambda path: preprocessing(load_image(path, preprocessing.min_size)), paths))
    return time.perf_counter() - started, torch.stack(pixels[:64])


@torch.inference_mode()
def forward(backbone, preprocessing, pixels, count, device):
    """Seconds for `count` images at the better batch size."""
    best = float("inf")
    x = preprocessing.normalise(pixels.to(device)).contiguous(memory_format=torch.channels_last)
    for size in BATCHES:
        backbone(x[:size])
        started = time.perf_counter()
        for start in range(0, count, size):
            features = backbone(x[: min(size, count - start)])
        float(features.sum())  # a GPU has done its work only then
        best = min(best, time.perf_counter() - started)
    return best


def run(args, cache, out):
    """Seconds of a whole run, of its extraction, and its peak memory in MiB."""
    command = [sys.executable, "-m", "ajuste_fino", "train", "data=folder", f"data.root={args.folder.absolute()}", f"out={out}"]
    command += [f"backbone.name={args.backbone}", f"trainer.accelerator={args.device}"]
    command += [f"backbone.weights={args.weights.absolute() if args.weights else 'pretrained'}"]
    seconds, peak, _ = watched(command, {**os.environ, "XDG_CACHE_HOME": str(cache)})
    return seconds, json.loads((out / "metrics.json").read_text())["time/extract_s"], peak


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--backbone", default="embedded")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    backbone, _ = build(args.backbone, str(args.weights or "pretrained"))
    backbone.eval().to(args.device)
    preprocessing = Preprocessing(**backbone.preprocessing)
    paths = sorted(path for path in args.folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    keep_freed_memory()
    for path in paths:
        path.read_bytes()  # from here on the system has them in memory, for everyone
    rounds = [once(args, backbone, preprocessing, paths) for _ in range(args.repeat)]
    show({name: statistics.median(one[name] for one in rounds) for name in rounds[0]}, args, len(paths))


def once(args, backbone, preprocessing, paths):
    decoding, pixels = decode(paths, preprocessing)
    passing = forward(backbone, preprocessing, pixels, len(paths), args.device)
    with tempfile.TemporaryDirectory() as folder:
        first, extraction, peak = run(args, Path(folder) / "cache", Path(folder) / "first")
        again, _, peak_again = run(args, Path(folder) / "cache", Path(folder) / "again")
    return {
        "bare decode": decoding,
        "bare forward": passing,
        "extraction": extraction,
        "first run": first,
        "cached rerun": again,
        "peak": peak,
        "peak again": peak_again,
    }


def show(metrics, args, count):
    bare = metrics["bare decode"] + metrics["bare forward"]
    load = f"load of the machine at the end {os.getloadavg()[0]:.1f}"
    print(
        f"{args.backbone}, {count} images, {args.device}, {torch.get_num_threads()} threads, median of {args.repeat}, {load}\n"
    )
    print("| | seconds | of bare decode + forward | peak MiB |\n|---|---|---|---|")
    peaks = {"first run": metrics["peak"], "cached rerun": metrics["peak again"]}
    for name in ("bare decode", "bare forward", "extraction", "first run", "cached rerun"):
        peak = f"{peaks[name]:.0f}" if name in peaks else ""
        print(f"| {name} | {metrics[name]:.1f} | {metrics[name] / bare:.2f} | {peak} |")


if __name__ == "__main__":
    main()
