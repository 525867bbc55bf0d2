"""What to do about classes of many and of few images: the ways of `imbalance=`, side by side on the same images.

    python scripts/bench_imbalance.py FOLDER
    python scripts/bench_imbalance.py FOLDER --backbone squeezenet1_1 --weights squeezenet1_1.pth --seeds 3

FOLDER has one sub-folder a class. Two kinds of small training sets are drawn of it: pairs of classes, 120 images of one to 12
of the other, and all classes with numbers that fall from 300 to 10. A fifth of each is the validation split; the head is
evaluated on up to 150 other images of each class. Printed: accuracy as it would be with the classes as frequent as in training,
beside the share of the most frequent class, and mean recall, which counts every class alike.

`zero bias` says that the last layer's bias starts at random about zero, rather than at the classes' log frequencies.
"""

import argparse
import csv
import random
import statistics
import tempfile
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

from ajuste_fino.data.kinds import SUFFIXES
from ajuste_fino.head import Head
from ajuste_fino.runs.configuration import compose
from ajuste_fino.runs.grammar import literal
from ajuste_fino.runs.train import train

WAYS = ("none, zero bias", "none", "weights, zero bias", "weights", "sampler")
PAIR, TAIL = (120, 12), (300, 10)
HELD = 150  # images of a class that the head is evaluated on
PAIRS = 3


def tasks(by_class):
    """Numbers of images by class: pairs of neighbours in the order of the alphabet, and a tail over all."""
    names = sorted(by_class)
    for frequent, rare in list(pairwise(names))[::2][:PAIRS]:
        yield f"{frequent} 120 : {rare} 12", dict(zip((frequent, rare), PAIR, strict=True))
    ratio = (TAIL[1] / TAIL[0]) ** (1 / max(len(names) - 1, 1))
    yield f"all {len(names)}, 300 … 10", {name: round(TAIL[0] * ratio**n) for n, name in enumerate(names)}


def write_table(path, by_class, counts, seed):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "label", "split"])
        for label, count in counts.items():
            files = random.Random(f"{seed} {label}").sample(by_class[label], len(by_class[label]))
            count = min(count, len(files) // 2)
            val = max(count // 5, 2)
            splits = ["val"] * val + ["train"] * (count - val) + ["test"] * HELD
            writer.writerows([file, label, split] for file, split in zip(files, splits, strict=False))


def evaluate(table, way, args, seed, out):
    """Accuracy with the classes as frequent as in training, mean recall, and the share of the most frequent class."""
    keys = [f"backbone.name={args.backbone}", f"imbalance={way.partition(',')[0]}", f"seed={seed}"]
    if args.weights:
        keys.append(f"backbone.weights={literal(str(args.weights.absolute()))}")
    cfg = compose("train", ["data=folder", f"data.root={literal(str(table))}", *keys, f"out={literal(str(out))}"])
    with patch.object(Head, "set_prior", lambda *_: None) if "zero bias" in way else nullcontext():
        metrics = train(cfg, out)
    with table.open() as file:
        trained = [row["label"] for row in csv.DictReader(file) if row["split"] != "test"]
    shares = {label: trained.count(label) / len(trained) for label in set(trained)}
    recalls = {label: metrics[f"test/recall/{label}"] for label in shares}
    accuracy = sum(shares[label] * recalls[label] for label in shares)
    return accuracy, statistics.mean(recalls.values()), max(shares.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--backbone", default="embedded")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    by_class = {
        folder.name: sorted(str(path.absolute()) for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
        for folder in args.folder.iterdir()
        if folder.is_dir()
    }
    lines = []
    for task, counts in tasks(by_class):
        for way in WAYS:
            found = []
            for seed in range(args.seeds):
                with tempfile.TemporaryDirectory() as folder:
                    write_table(Path(folder, "t.csv"), by_class, counts, seed)
                    found.append(evaluate(Path(folder, "t.csv"), way, args, seed, Path(folder, "run")))
            accuracy, recall, majority = (statistics.mean(column) for column in zip(*found, strict=True))
            lines.append(f"{task:32} {way:18} {accuracy:.3f} {recall:.3f} {majority:.3f}")
    print(f"{'training images':32} {'imbalance':18} accuracy, mean recall, share of the most frequent class")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
