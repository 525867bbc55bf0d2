"""Images to try things on, folders of them, and runs trained on those."""

import csv
import hashlib
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from hazards.shell import run

CLASSES = ("1", "2", "10")
KEYS = ("data=folder", "backbone=embedded", "epochs=2", "workers=0", "features.precision=fp32")


def draw(rng: np.random.Generator, label: int = 0, side: int = 40) -> Image.Image:
    """Stripes whose direction and colour are the label's, with some noise; no two are alike."""
    y, x = np.mgrid[:side, :side]
    wave = np.sin((x if label % 2 else y) * (0.3 + 0.3 * label) + rng.uniform(0, 6))
    pixels = rng.normal(0, 12, (side, side, 3)) + 100
    pixels[..., label % 3] += 80 * (wave > 0)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def shapes(rng: np.random.Generator) -> Image.Image:
    """Broad random shapes, as different from others as photographs are."""
    cells = rng.uniform(0, 255, (9, 9, 3)).astype(np.uint8)
    return Image.fromarray(cells).resize((160, 120), Image.Resampling.BICUBIC)


def photos(root: Path, rng: np.random.Generator, classes=CLASSES, each: int = 12, suffix: str = ".png", side: int = 40) -> Path:
    """A folder of a few images for each class."""
    for label, name in enumerate(classes):
        (root / name).mkdir(parents=True, exist_ok=True)
        for n in range(each):
            draw(rng, label, side).save(root / name / f"{n:03}{suffix}")
    return root


def trained(root: Path, out: Path, *keys: str, **environment: str) -> Path:
    """A run folder of `train` on a folder of images."""
    done = run("train", *KEYS, f"data.root={root}", f"out={out}", *keys, **environment)
    if done.code:
        raise RuntimeError(f"train ended with {done.code}: {done.err[-500:]}")
    return out


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def predictions(run_folder: Path) -> bytes:
    """The table of the test images, to the byte."""
    return (run_folder / "predictions_test.csv").read_bytes()


def hashes(root: Path) -> dict[Path, str]:
    """The content of every file below a folder."""
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(root.rglob("*")) if path.is_file()}


def flip_bit(path: Path, rng: np.random.Generator) -> bytes:
    """Flip one bit of a file; returns what it was before."""
    good = path.read_bytes()
    bad = bytearray(good)
    bad[rng.integers(len(bad))] ^= 1 << int(rng.integers(8))
    path.write_bytes(bad)
    return good


def fresh(folder: Path, whole: Path) -> Path:
    """A copy of a folder in the place of what was there."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(whole, folder, symlinks=True)
    return folder
