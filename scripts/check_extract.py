"""Kill `extract` in the middle, and see that nothing is lost, doubled or changed: python scripts/check_extract.py FOLDER.

Further keys of `extract` may follow the folder of images. A run of one process is killed with SIGKILL once a part of its
features is written, and started again: its files must have the bytes of a run that nobody stopped. With Ray installed, one of
two actors is killed as well: the same contents, each once, and features within 1e-5.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from pyarrow import parquet

from ajuste_fino.features.extracted import features_in

SHORT = "import ajuste_fino.features.parts as p; p.PART_SECONDS = 2; from ajuste_fino.cli import main; main()"


def start(*arguments: str) -> subprocess.Popen:
    """Start `extract` with a part every two seconds."""
    return subprocess.Popen([sys.executable, "-c", SHORT, "extract", *arguments], stderr=subprocess.PIPE, text=True)


def finish(child: subprocess.Popen) -> str:
    _, said = child.communicate()
    if child.returncode:
        sys.exit(said)
    return said


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def rows(folder: Path) -> dict[str, np.ndarray]:
    table = parquet.read_table(sorted(folder.glob("features-*.parquet")))
    keys = table["key"].to_pylist()
    assert len(keys) == len(set(keys)), "a content is there twice"
    return dict(zip(keys, features_in(table, table.schema.field("feature").type.list_size), strict=True))


def parts(folder: Path) -> list[Path]:
    return list((folder / "parts").glob("rows-*.parquet"))


def actors() -> list[int]:
    """The processes of Ray that compute features, below this one."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
        except OSError:
            continue
        if line.startswith(b"ray::") and b"MapBatches" in line:
            found.append(int(entry.name))
    return found


def killed(out: Path, *keys: str) -> None:
    child = start(f"out={out}", *keys)
    while not parts(out) and child.poll() is None:
        time.sleep(0.05)
    time.sleep(1)
    child.send_signal(signal.SIGKILL)
    child.wait()
    there = len(parts(out))
    said = finish(start(f"out={out}", *keys))
    print(f"killed with {there} part(s) written; then:", *[line for line in said.splitlines() if "already" in line])


def killed_actor(out: Path, *keys: str) -> None:
    child, victims = start(f"out={out}", *keys, "runner=ray", "actors=2"), list[int]()
    before = set(actors())
    while not victims and child.poll() is None:
        time.sleep(0.05)
        victims = [one for one in actors() if one not in before] if parts(out) else []
    os.kill(victims[0], signal.SIGKILL)
    print(f"killed the actor {victims[0]} of {len(victims)} after {len(parts(out))} part(s)")
    lines = finish(child).splitlines()
    print(f"Ray's run said {len(lines)} lines:", *lines, sep="\n  ")


def main() -> None:
    root, *rest = sys.argv[1:]
    keys = f"data.root={root}", "backbone=embedded", "features.engine=torch", *rest
    folder = Path(tempfile.mkdtemp())
    try:
        finish(start(f"out={folder / 'whole'}", *keys))
        killed(folder / "again", *keys)
        assert files(folder / "again") == files(folder / "whole")
        print(f"the same bytes in {len(files(folder / 'whole'))} files, of {len(rows(folder / 'whole')):,} features")
        if find_spec("ray"):
            killed_actor(folder / "ray", *keys)
            one, other = rows(folder / "whole"), rows(folder / "ray")
            assert one.keys() == other.keys(), "contents were lost"
            most = max(float(np.abs(one[key] - other[key]).max()) for key in one)
            assert most <= 1e-5, most
            print(f"the same {len(one):,} contents; features differ by {most:.1e} at most")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
