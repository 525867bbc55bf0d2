"""How much do the embedded weights know? Logistic regression on each block's 4×4 grid, against random weights and raw pixels.

    python scripts/bench_transfer.py --data digits --data PHOTOS

`PHOTOS` is a folder as `data.root` takes it. Same images, standardisation and choice of regularisation for all; the
regularisation is chosen on the validation split, the test split is read once for each row. The table goes to the screen
and, as CSV, beside the weights.
"""

import argparse
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from ajuste_fino.backbone import build
from ajuste_fino.data.config import DataConfig
from ajuste_fino.data.digits import digits_folder
from ajuste_fino.data.images import read_image
from ajuste_fino.data.manifest import Manifest, load_manifest
from ajuste_fino.data.transforms import Preprocessing
from ajuste_fino.files import write_csv

BLOCKS = ("block1", "block2", "block3", "block4")
STRENGTHS = (1e-4, 1e-3, 1e-2)  # of the inverse regularisation, C
LABELS = (5, 10, 0)  # a class; 0: all
HEADER = ("data", "weights", "cut", "labels a class", "seeds", "validation", "test", "test std")
OUT = Path(__file__).parents[1] / "ajuste_fino" / "weights" / "embedded.transfer.csv"


class Set:
    """Images and labels of the three splits of a folder, at 64 px."""

    def __init__(self, name: str, root: Path) -> None:
        manifest = load_manifest(DataConfig(root), 0, lambda items, _total, _what: iter(items))
        preprocessing = Preprocessing(**build("embedded", "none")[0].preprocessing)
        self.name, self.preprocessing = name, preprocessing
        self.pixels = {split: self._read(manifest, split) for split in ("train", "val", "test")}
        self.labels = {split: np.array(manifest.targets(manifest.split(split))) for split in ("train", "val", "test")}

    def _read(self, manifest: Manifest, split: str) -> Tensor:
        return torch.stack([self.preprocessing(read_image(sample)[1]) for sample in manifest.split(split)])

    def few(self, labels: int, seed: int) -> np.ndarray:
        """Positions of `labels` training images of each class (0: all)."""
        rng = np.random.default_rng(seed)
        classes = [np.flatnonzero(self.labels["train"] == n) for n in np.unique(self.labels["train"])]
        return np.concatenate([rng.permutation(c)[: labels or None] for c in classes])


@torch.inference_mode()
def features(data: Set, layer: str, weights: str, seed: int) -> dict[str, np.ndarray]:
    """The 4×4 grid of a block; `raw` gives the pixels. Random weights get the data's own BatchNorm statistics."""
    if weights == "raw":
        return {split: pixels.flatten(1).numpy().astype(np.float32) for split, pixels in data.pixels.items()}
    torch.manual_seed(seed)
    backbone, _ = build("embedded", "none" if weights == "random" else "pretrained", layer=layer, pool=4)
    read = data.preprocessing.normalise
    if weights == "random":
        _estimate(backbone, [read(batch) for batch in data.pixels["train"].split(256)])
    backbone.eval()
    return {split: torch.cat([backbone(read(b)) for b in pixels.split(256)]).numpy() for split, pixels in data.pixels.items()}


def _estimate(backbone: nn.Module, batches: list[Tensor]) -> None:
    for module in backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the plain mean over all batches
    backbone.train()
    for batch in batches:
        backbone(batch)


def judge(data: Set, x: dict[str, np.ndarray], chosen: np.ndarray) -> tuple[float, float]:
    """Validation and test accuracy at the regularisation that did best on validation."""
    scale = StandardScaler().fit(x["train"][chosen])
    train, val, test = (scale.transform(part) for part in (x["train"][chosen], x["val"], x["test"]))
    if 4 * len(train) <= train.shape[1]:
        train, val, test = _rotated(train, val, test)
    best = (-1.0, 0.0)
    for strength in STRENGTHS:
        model = LogisticRegression(C=strength, max_iter=200)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # 200 steps are enough to compare, and the same for all
            model.fit(train, data.labels["train"][chosen])
        accuracy = model.score(val, data.labels["val"])
        if accuracy > best[0]:
            best = (accuracy, model.score(test, data.labels["test"]))
    return best


def _rotated(train: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
    """The same problem in as many dimensions as there are images: the penalty does not see a rotation, and the best
    weights lie in the space that the training images span."""
    u, s, vt = np.linalg.svd(train, full_matrices=False)
    return [u * s, *(other @ vt.T for other in others)]


def rows(data: Set, seeds: int) -> Iterator[tuple[object, ...]]:
    for weights in ("raw", "random", "pretrained"):
        for layer in BLOCKS if weights != "raw" else ("pixels",):
            kept = {} if weights == "random" else {0: features(data, layer, weights, 0)}
            for labels in LABELS:
                # drawn anew for each seed: the labelled images, and random weights; with all labels nothing else varies
                count = seeds if labels or weights == "random" else 1
                scores = []
                for seed in range(count):
                    if weights == "random" and seed not in kept:
                        kept[seed] = features(data, layer, weights, seed)
                    scores.append(judge(data, kept.get(seed, kept[0]), data.few(labels, seed)))
                val, test = np.mean(scores, axis=0)
                spread = np.std([test for _, test in scores])
                yield data.name, weights, layer, labels or "all", count, f"{val:.4f}", f"{test:.4f}", f"{spread:.4f}"


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--data", action="append", required=True, help="digits, or a folder; may be given several times")
    ask.add_argument("--seeds", type=int, default=5)
    args = ask.parse_args()
    table, found = Table(*HEADER), []
    for value in args.data:
        data = Set(Path(value).name, digits_folder() if value == "digits" else Path(value))
        for row in rows(data, args.seeds):
            print(*row, flush=True)
            found.append(row)
            table.add_row(*map(str, row))
    Console(width=110).print(table)
    write_csv(OUT, HEADER, found)


if __name__ == "__main__":
    main()
