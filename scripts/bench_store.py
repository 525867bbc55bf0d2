"""The feature store at the size of a large data set, with few file descriptors: seconds, memory and open files by stage.

    python scripts/bench_store.py --gib 20
    python scripts/bench_store.py --gib 5 --shape 512 --dtype float32

Rows are written as extraction does, the store is opened again, and rows are read in a drawn order, as training does. What is
expected: the memory of a stage does not grow with the rows, beside their index of keys; no more than the 256 files that the
process may have open.
"""

import argparse
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from ajuste_fino.store import FeatureStore

BATCH, READS, FILES = 64, 500, 256


def main() -> None:
    arguments = parse()
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    shape = tuple(int(side) for side in arguments.shape.split("x"))
    row = np.dtype((arguments.dtype, shape)).itemsize
    count = int(arguments.gib * 2**30 / row)
    folder = Path(tempfile.mkdtemp(prefix="store.", dir=arguments.folder))
    table = Table("stage", "seconds", "resident MiB", "open files", title=f"{count:,} rows of {row:,} bytes")
    try:
        keys = [f"{n:064x}" for n in range(count)]
        stage(table, "keys alone", lambda: None)
        store = stage(table, "write", lambda: write(folder, shape, arguments.dtype, keys))
        del store
        store = stage(table, "open", lambda: FeatureStore(folder, shape, arguments.dtype))
        stage(table, f"read {READS * BATCH:,} rows", lambda: read(store, keys))
        assert not store.missing(keys)
        assert not store.damaged
        Console().print(table, f"{len(store.shards)} shards, at most {FILES} open files")
    finally:
        shutil.rmtree(folder)


def stage(table: Table, name: str, work: Callable[[], Any]) -> Any:
    begun = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - begun
    table.add_row(name, f"{seconds:.1f}", f"{resident():,.0f}", str(len(list(Path("/proc/self/fd").iterdir()))))
    return result


def resident() -> float:
    """MiB of this process that are in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def write(folder: Path, shape: tuple[int, ...], dtype: str, keys: list[str]) -> FeatureStore:
    """Rows whose every number is that of the row, modulo 1000."""
    with FeatureStore(folder, shape, dtype) as store:
        for start in track(range(0, len(keys), BATCH), "Writing"):
            numbers = np.arange(start, min(start + BATCH, len(keys))) % 1000
            rows = np.broadcast_to(numbers.reshape(-1, *[1] * len(shape)), (len(numbers), *shape))
            store.add(keys[start : start + BATCH], rows.astype(dtype))
    return store


def read(store: FeatureStore, keys: list[str]) -> None:
    rows, rng = store.rows(keys), np.random.default_rng(0)
    for _ in range(READS):
        chosen = rng.integers(len(keys), size=BATCH)
        found = rows[chosen.tolist()]
        assert (found.reshape(BATCH, -1) == (chosen % 1000)[:, None]).all()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gib", type=float, default=1)
    parser.add_argument("--shape", default="112x14x14", help="of a row, such as 512 or 112x14x14")
    parser.add_argument("--dtype", default="float16")
    parser.add_argument("--folder", help="where the rows are written, and removed again; by default the temporary folder")
    return parser.parse_args()


if __name__ == "__main__":
    main()
