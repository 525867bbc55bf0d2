"""Where the time of a run goes, beside the least it could take: everything in one sitting, on the same images.

    python scripts/bench_pipeline.py FOLDER
    python scripts/bench_pipeline.py FOLDER --backbones efficientnet_lite0 mobilenet_v2=FILE resnet18=none --repeat 3

A backbone is a name, with a file of weights or `none` for random ones, whose features take the same time. Of each: bare
decoding (read, decode, resize, by as many threads as there are cores) and bare passes (the network on batches that are
already there, at the batch size that serves it best) by torch and by a graph of OpenVINO; our extraction (hashing,
decoding, infos, network, features on disk) by both, without the graph's making, which has a column of its own; a whole
first run and a whole cached rerun, each a process from start to exit, beside the bare imports, with peak memory. Every
number is the median of `--repeat` rounds in turns, because machines are shared; the load of the machine is printed.
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
from ajuste_fino.features import Extractor, resolve_precision
from ajuste_fino.features.graph import CompiledExtractor
from ajuste_fino.freezing import Frozen
from ajuste_fino.memory import keep_freed_memory

BATCHES = (16, 64)
CPU = torch.device("cpu")
IMPORTS = "import ajuste_fino.runs.train, timm"
COLUMNS = {
    "decode": "bare decode",
    "pass": "bare pass, torch",
    "graph pass": "bare pass, graph",
    "extraction torch": "extraction, torch",
    "extraction openvino": "extraction, graph",
    "gain": "times as fast",
    "graph": "making the graph",
    "first": "first run",
    "again": "rerun",
    "over": "rerun less imports",
    "peak": "MiB, first run",
}


class Subject:
    """A backbone by torch and as a graph, at the precision that a run would take."""

    def __init__(self, wanted):
        self.name, _, self.weights = wanted.partition("=")
        backbone, _ = build(self.name, self.weights or "pretrained")
        self.preprocessing = Preprocessing(**backbone.preprocessing)
        self.precision = resolve_precision("auto", CPU, backbone)
        self.torch = Extractor(Frozen(backbone), self.preprocessing, self.precision).eval()
        self.graph = CompiledExtractor(self.torch)

    def keys(self):
        weights = "pretrained" if not self.weights else "none" if self.weights == "none" else Path(self.weights).absolute()
        return [f"backbone.name={self.name}", f"backbone.weights={weights}"]


def decode(paths, preprocessing):
    started = time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        pixels = list(pool.map(lambda path: preprocessing(load_image(path, preprocessing.min_size)), paths))
    return time.perf_counter() - started, torch.stack(pixels[: max(BATCHES)])


@torch.inference_mode()
def passes(extractor, pixels, count):
    """Seconds for `count` images at the better batch size."""
    best = float("inf")
    for size in BATCHES:
        extractor(pixels[:size])
        started = time.perf_counter()
        for start in range(0, count, size):
            extractor(pixels[: min(size, count - start)])
        best = min(best, time.perf_counter() - started)
    return best


def run(subject, folder, cache, out, *keys):
    """What a whole run says of itself, its seconds and its peak memory in MiB."""
    command = [sys.executable, "-m", "ajuste_fino", "train", "data=folder", f"data.root={folder.absolute()}", f"out={out}"]
    seconds, peak, _ = watched([*command, *subject.keys(), *keys], {**os.environ, "XDG_CACHE_HOME": str(cache)})
    return json.loads((out / "metrics.json").read_text()), seconds, peak


def once(subject, folder, paths):
    decoding, pixels = decode(paths, subject.preprocessing)
    row = {"decode": decoding, "pass": passes(subject.torch, pixels, len(paths))}
    row["graph pass"] = passes(subject.graph, pixels, len(paths))
    imports, _, _ = watched([sys.executable, "-c", IMPORTS], os.environ)
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        for engine in ("torch", "openvino"):
            found, _, _ = run(subject, folder, place / engine, place / f"out-{engine}", f"features.engine={engine}")
            row[f"extraction {engine}"] = found["time/extract_s"] - found.get("time/graph_s", 0)
            row["graph"] = found.get("time/graph_s", 0)
        _, row["first"], row["peak"] = run(subject, folder, place / "cache", place / "first")
        _, row["again"], _ = run(subject, folder, place / "cache", place / "again")
    row["gain"], row["over"] = row["extraction torch"] / row["extraction openvino"], row["again"] - imports
    return row


def show(rows, args, count):
    load = f"load of the machine at the end {os.getloadavg()[0]:.1f}"
    print(f"{count} images, {torch.get_num_threads()} threads, medians of {args.repeat} rounds in turns, {load}\n")
    print(f"| backbone | precision | {' | '.join(COLUMNS.values())} |\n|---|---|{'---|' * len(COLUMNS)}")
    for (name, precision), rounds in rows.items():
        medians = {key: statistics.median(one[key] for one in rounds) for key in COLUMNS}
        cells = (f"{value:.0f}" if key == "peak" else f"{value:.2f}" for key, value in medians.items())
        print(f"| `{name}` | {precision} | {' | '.join(cells)} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--backbones", nargs="+", default=["efficientnet_lite0", "embedded"], metavar="NAME[=FILE]")
    parser.add_argument("--repeat", type=int, default=1)
    args = parser.parse_args()
    subjects = [Subject(wanted) for wanted in args.backbones]
    paths = sorted(path for path in args.folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    keep_freed_memory()
    for path in paths:
        path.read_bytes()  # from here on the system has them in memory, for everyone
    rows = {(subject.name, subject.precision): [] for subject in subjects}
    for _ in range(args.repeat):
        for subject in subjects:
            rows[subject.name, subject.precision].append(once(subject, args.folder, paths))
    show(rows, args, len(paths))


if __name__ == "__main__":
    main()
