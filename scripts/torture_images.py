"""Damaged images by the thousand through audit, train and predict: nothing may crash, and no file may change.

    python scripts/torture_images.py                  # 500 mutants of each of seven formats, half a minute
    python scripts/torture_images.py --each 50 --keep mutants

Images are drawn, saved as JPEG, PNG, GIF, BMP, TIFF, WebP and PPM, and damaged: bits flipped, the end cut off, the
header of another format put in front, a part overwritten, bytes taken out or doubled. Each command is a process of its
own, so that a crash inside a decoder is seen. Printed: of each format how many mutants still decode.
"""

import argparse
import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

FORMATS = {"JPEG": "jpg", "PNG": "png", "GIF": "gif", "BMP": "bmp", "TIFF": "tif", "WEBP": "webp", "PPM": "ppm"}
ALLOWED = {"audit": (0, 2), "train": (0,), "predict": (0, 2)}


def image(rng, side=48):
    """A drawn image: stripes of a random direction and colour, with some noise."""
    y, x = np.mgrid[:side, :side]
    angle, width = rng.uniform(0, np.pi), rng.uniform(0.2, 0.8)
    wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * width)[..., None]
    pixels = 128 + 90 * wave * rng.uniform(-1, 1, 3) + rng.normal(0, 8, (side, side, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def saved(image, kind, rng):
    """The bytes of an image in a format, in one of the ways there are to write it."""
    options = {
        "JPEG": [{"quality": 60}, {"quality": 90, "progressive": True}, {"quality": 80, "optimize": True}],
        "PNG": [{}, {"compress_level": 1}, {"bits": 8}],
        "TIFF": [{}, {"compression": "tiff_lzw"}, {"compression": "tiff_adobe_deflate"}, {"compression": "jpeg"}],
        "WEBP": [{"quality": 70}, {"lossless": True}],
    }.get(kind, [{}])
    buffer = io.BytesIO()
    image.save(buffer, kind, **options[rng.integers(len(options))])
    return buffer.getvalue()


def flip_bits(data, rng):
    out = bytearray(data)
    for _ in range(rng.integers(1, 30)):
        out[rng.integers(len(out))] ^= 1 << rng.integers(8)
    return bytes(out)


def truncate(data, rng):
    return data[: rng.integers(0, len(data))]


def swap_header(data, rng, others):
    length = int(rng.integers(2, 64))
    return others[rng.integers(len(others))][:length] + data[length:]


def overwrite(data, rng):
    start, length = int(rng.integers(len(data))), int(rng.integers(1, 200))
    return data[:start] + rng.bytes(length) + data[start + length :]


def drop_or_double(data, rng):
    start, length = int(rng.integers(len(data))), int(rng.integers(1, 100))
    part = data[start : start + length]
    return data[:start] + part * int(rng.integers(0, 3)) + data[start + length :]


def mutants(kind, count, rng):
    others = [saved(image(rng), other, rng) for other in FORMATS if other != kind]
    ways = (flip_bits, truncate, lambda data, rng: swap_header(data, rng, others), overwrite, drop_or_double)
    for n in range(count):
        yield ways[n % len(ways)](saved(image(rng), kind, rng), rng)


def plant(root, each, seed):
    """A class for each format, its mutants and as many whole images, which training needs; hashes by path."""
    rng = np.random.default_rng(seed)
    for kind, suffix in FORMATS.items():
        folder = root / kind
        folder.mkdir(parents=True)
        for n, data in enumerate(mutants(kind, each, rng)):
            (folder / f"mutant{n:04}.{suffix}").write_bytes(data)
        for n in range(max(each // 10, 10)):
            (folder / f"whole{n:04}.{suffix}").write_bytes(saved(image(rng), kind, rng))
    return hashes(root)


def hashes(root):
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(root.rglob("*")) if path.is_file()}


def run(verb, *keys, environment):
    started = time.perf_counter()
    command = [sys.executable, "-m", "ajuste_fino", verb, *map(str, keys)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace")
    print(f"{verb}: exit code {done.returncode}, {time.perf_counter() - started:.0f} s", flush=True)
    if done.returncode not in ALLOWED[verb] or "Traceback" in done.stderr:
        raise SystemExit(f"{verb} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return done


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="leave everything in this new folder")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = args.keep or Path(temporary)
        torture(work, args)


def torture(work, args):
    root = work / "mutants"
    before = plant(root, args.each, args.seed)
    environment = {**os.environ, "XDG_CACHE_HOME": str(work / "cache")}
    run("audit", f"data.root={root}", f"out={work / 'audit'}", environment=environment)
    skip = ("data.on_bad_image=skip", "data.max_skipped=1", "epochs=2")
    run("train", "data=folder", f"data.root={root}", f"out={work / 'run'}", *skip, environment=environment)
    table = work / "predictions.csv"
    run("predict", f"run={work / 'run'}", f"images={root}", f"csv={table}", environment=environment)
    if hashes(root) != before:
        raise SystemExit("a file was changed")
    show(root, work, len(before), table)


def show(root, work, total, table):
    """What became of the mutants, and whether audit, train and predict agree on each."""
    report = json.loads((work / "audit" / "audit.json").read_text())
    bad = {line.split(": ")[0] for one in report["findings"] if one["level"] == "error" for line in one["files"]}
    read = {Path(line.split(",")[0]).relative_to(root).as_posix() for line in table.read_text().splitlines()[1:]}
    everything = {path.relative_to(root).as_posix() for path in root.rglob("*.*")}
    if everything - read != bad:
        raise SystemExit(f"audit and predict disagree on {sorted((everything - read) ^ bad)[:10]}")
    skipped = json.loads((work / "run" / "metrics.json").read_text())["images/skipped"]
    print(f"{total} files, none changed; audit and predict refuse the same {len(bad)}; train skipped {skipped}\n")
    print("| format | mutants | still decode |\n|---|---|---|")
    for kind in FORMATS:
        ours = [file for file in everything if file.startswith(f"{kind}/mutant")]
        print(f"| {kind} | {len(ours)} | {sum(file in read for file in ours)} |")


if __name__ == "__main__":
    main()
