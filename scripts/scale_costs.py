"""The constants of scale_model.py measured on this machine, and the model beside `extract` itself: see bench_scale.py."""

import hashlib
import json
import os
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from bench_stream import about_of, command, make
from pyarrow import parquet
from scale_model import READ_ROWS, Costs, Machines, slowest

from ajuste_fino.backbone import build
from ajuste_fino.data.config import DataConfig
from ajuste_fino.data.keyed import KeyedImages
from ajuste_fino.data.sample import evenly
from ajuste_fino.data.sources.parquet import Parquet
from ajuste_fino.data.transforms import Preprocessing
from ajuste_fino.features import Extractor, resolve_precision
from ajuste_fino.features.engine import is_worth_a_graph
from ajuste_fino.features.graph import CompiledExtractor, is_installed
from ajuste_fino.features.keyed import FixedExtraction, rows_of
from ajuste_fino.features.merge import Parts, Row, merge
from ajuste_fino.features.parts import FileRow, PartWriter, read_lists, write_list
from ajuste_fino.freezing import Frozen
from ajuste_fino.memory import keep_freed_memory
from ajuste_fino.runs.extract_listing import listing
from ajuste_fino.runs.extract_merge import _contents, judged
from ajuste_fino.storage import Storage

CPU, BACKBONE, BATCH = torch.device("cpu"), "efficientnet_lite0", 64
NAMES, HELD, CLASSES = 200_000, 50_000, 1000
FITTED, PREDICTED = (64, 256), (128, 512)  # chunks in which rows are read
EPOCHS = 1, 5
COUNTS, ROUNDS = (64, 4), 2  # shards of which one is extracted: for what a start takes, and to be predicted


def median_of(work: Callable[[], object], repeat: int) -> float:
    """The median of some rounds' seconds, after one that does not count."""
    work()
    found = []
    for _ in range(repeat):
        begun = time.perf_counter()
        work()
        found.append(time.perf_counter() - begun)
    return statistics.median(found)


def silent(items: Iterable, _total: int, _what: str) -> Iterator:
    yield from items


def of_images(folder: Path, images: int, repeat: int) -> tuple[float, float, float, int]:
    """Bytes of an image, seconds of a core to decode it and of all cores to compute its features, and their width."""
    keep_freed_memory()
    everything = listing(DataConfig(folder), 0, 1).samples
    samples = evenly(everything, images)
    backbone, _ = build(BACKBONE)
    plain = Extractor(
        Frozen(backbone), Preprocessing(**backbone.preprocessing), resolve_precision("auto", CPU, backbone)
    ).eval()
    worth = is_installed() and is_worth_a_graph(len(everything), plain.preprocessing.size, CPU)
    extraction = FixedExtraction(CompiledExtractor(plain) if worth else plain, CPU, BATCH)
    decoded = KeyedImages(samples, plain.preprocessing, 1)
    pixels = decoded[list(range(len(samples)))].pixels
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    decode = median_of(lambda: decoded[list(range(len(samples)))], repeat) / len(samples)
    torch.set_num_threads(threads)
    forward = median_of(lambda: [rows_of(extraction, part) for part in pixels.split(BATCH)], repeat) / len(pixels)
    by = f"engine {extraction.extractor.engine}, {plain.precision}, {threads} threads"
    fast = f"a core decodes {1 / decode:,.0f} a second, {1 / forward:,.0f} pass the backbone"
    print(f"\n{len(everything):,} images; {by}: {fast}", flush=True)
    return statistics.mean(len(one.read()) for one in everything), decode, forward, plain.backbone.shape[0]


def of_names(folder: Path) -> float:
    """Seconds of a name that a shard of many lists, from a Parquet file whose images are a byte each."""
    labels = [f"class{n % CLASSES:04}" for n in range(NAMES)]
    table = pa.table({"image": pa.array([b"x"] * NAMES), "label": labels})
    (folder / "names").mkdir()
    parquet.write_table(table, folder / "names" / "0.parquet", row_group_size=1000)
    data = DataConfig(Parquet(folder / "names"))
    return median_of(lambda: listing(data, 0, CLASSES), 3) / NAMES


def drawn(rows: int) -> list[Row]:
    keys = sorted(hashlib.sha256(str(n).encode()).hexdigest() for n in range(rows))
    return [Row(key, f"class{n % CLASSES:04}/{key[:16]}.jpg", f"class{n % CLASSES:04}", "") for n, key in enumerate(keys)]


def in_parts(storage: Storage, rows: list[Row], width: int) -> float:
    """Write drawn features in parts, in an order that is not that of the keys; return a row's seconds."""
    rng, writer, seconds = np.random.default_rng(0), PartWriter(storage), 0.0
    order = rng.permutation(len(rows))
    for start in range(0, len(rows), BATCH):
        own = [rows[n].key for n in order[start : start + BATCH]]
        features = rng.standard_normal((len(own), width), np.float32)
        begun = time.perf_counter()
        writer.add(own, features)
        seconds += time.perf_counter() - begun
    begun = time.perf_counter()
    writer.flush()
    return (seconds + time.perf_counter() - begun) / len(rows)


def of_visits(storage: Storage, rows: list[Row], width: int) -> float:
    """Seconds of a part that is opened for a chunk of rows: from few and many chunks, which must predict others."""
    source, keys = Parts(storage, width), [row.key for row in rows]
    parts = len(source.ranges)

    def read(chunks: int) -> None:
        for n in range(chunks):
            source.read(keys[n * len(keys) // chunks : (n + 1) * len(keys) // chunks])

    found = {chunks: median_of(lambda chunks=chunks: read(chunks), 2) for chunks in (*FITTED, *PREDICTED)}
    few, many = FITTED
    visit = (found[many] - found[few]) / (parts * (many - few))
    if visit <= 0:
        sys.exit("The machine does too much else to tell what opening a part takes: run it again.")
    print("\n| parts | chunks | predicted s | measured | ratio |\n|---|---|---|---|---|")
    for chunks in PREDICTED:
        wanted = found[few] + (chunks - few) * parts * visit
        print(f"| {parts} | {chunks} | {wanted:.2f} | {found[chunks]:.2f} | {found[chunks] / wanted:.2f} |", flush=True)
    return visit


def memory_of(storage: Storage, rows: list[Row]) -> float:
    """Bytes of memory that a row's names and hash take at the end of `extract`."""
    write_list(storage, [FileRow(row.file, row.label, row.split, row.key) for row in rows], 0, 1, "drawn")
    names = [name for name in storage.names("parts/") if "files-" in name]
    tracemalloc.start()
    lists = list(read_lists(storage, names))
    held = sorted(row for _, some in lists for row in some)
    inspection = judged(held, DataConfig(Path(storage.where)))
    contents = _contents(inspection.samples)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / len(contents)


def of_training(folder: Path, rows: int, about: dict) -> tuple[float, float]:
    """Seconds of a row whose label is read, and of one of an epoch, which reads training and validation rows."""
    make(folder / "features", rows, about)
    found = {}
    for epochs in EPOCHS:
        out = folder / f"run-{epochs}"
        keys = f"features.from={folder / 'features'}", f"out={out}", f"epochs={epochs}", "batch_size=256"
        command("train", *keys)
        found[epochs] = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    few, many = (found[epochs]["time/fit_s"] for epochs in EPOCHS)
    return found[EPOCHS[0]]["time/extract_s"] / rows, (many - few) / (EPOCHS[1] - EPOCHS[0]) / (READ_ROWS * rows)


def measured(folder: Path, images: int, rows: int, repeat: int) -> Costs:
    """All constants of this machine; a table says how well those of the merge predict it."""
    size, decode, forward, width = of_images(folder, images, repeat)
    with tempfile.TemporaryDirectory() as name:
        place, some = Path(name), drawn(rows)
        storage = Storage("out", place / "merged")
        part, seconds = in_parts(storage, some, width), of_names(place)
        visit, memory = of_visits(storage, some, width), memory_of(storage, some[:HELD])
        begun = time.perf_counter()
        files = merge(storage, some, width, silent)["files"]
        merging = (time.perf_counter() - begun) / rows
        written = sum((place / "merged" / file["name"]).stat().st_size for file in files) / rows
        index, head = of_training(place, rows, about_of(place))
    return Costs(size, decode, forward, part, width, written, seconds, visit, merging, memory, index, head)


def extracted(folder: Path, out: Path, shards: list[str], *keys: str) -> float:
    """Seconds in which shards are extracted, all at once."""
    wanted = [("extract", f"data.root={folder}", f"out={out}", f"shard={one}", *keys) for one in shards]
    begun = time.perf_counter()
    with ThreadPoolExecutor(len(shards)) as pool:
        list(pool.map(lambda one: command(*one), wanted))
    return time.perf_counter() - begun


def check(costs: Costs, folder: Path, images: int) -> None:
    """`extract` itself beside the model: one process with all cores, and as many as there are cores with one each.

    What an image costs is measured anew with so many threads, and what a start takes, with some images, on a small shard.
    """
    cores = os.cpu_count() or 1
    few, many = (len(listing(DataConfig(folder), 0, count).samples) for count in COUNTS)
    rows = ["\n| processes | cores of each | a start s | images of each | predicted s | measured | ratio |"]
    rows.append("|---|---|---|---|---|---|---|")
    for processes, threads in ((1, cores), (cores, 1)):
        os.environ["OMP_NUM_THREADS"] = str(threads)
        torch.set_num_threads(threads)
        _, decode, forward, _ = of_images(folder, images, ROUNDS)
        small, large = ([f"{n}/{count}" for n in range(processes)] for count in COUNTS)
        starts, ends = [], []
        for _ in range(ROUNDS):  # in turns, so that what else the machine does meets both
            with tempfile.TemporaryDirectory() as name:
                starts.append(extracted(folder, Path(name, "few"), small, f"workers={threads}"))
                ends.append(extracted(folder, Path(name, "many"), large, f"workers={threads}"))
        start, found = statistics.median(starts), statistics.median(ends)
        machines = Machines(processes, threads, 1e12, 1e12, beside=False)
        _, rate = slowest(replace(costs, decode_s=decode, forward_s=forward), machines)
        wanted = start + processes * (many - few) / rate
        rows.append(f"| {processes} | {threads} | {start:.1f} | {many} | {wanted:.1f} | {found:.1f} | {found / wanted:.2f} |")
    del os.environ["OMP_NUM_THREADS"]
    print(*rows, sep="\n", flush=True)
