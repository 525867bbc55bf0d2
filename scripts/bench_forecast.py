"""Does the forecast of `data` hold? Of half of the training images, what twice as many would give, beside what they do give.

    python scripts/bench_forecast.py photos digits --seeds 3

Folders or CSV files as `data.root` takes them, or digits. A run on all images gives the split; each seed draws half of each
class's training images. `train` and `data` run on that half; its forecast is compared with what heads of the same kind give
with all training images, on the same validation images, and with the validation accuracy that `train` gives with all of them.
"""

import argparse
import random
import tempfile
from collections import defaultdict
from pathlib import Path

from ajuste_fino.data.digits import digits_folder
from ajuste_fino.files import read_csv, write_csv
from ajuste_fino.runs.configuration import compose
from ajuste_fino.runs.grammar import literal
from ajuste_fino.runs.improve import data
from ajuste_fino.runs.train import train


def run(verb, function, out, *keys):
    cfg = compose(verb, [*keys, f"out={literal(str(out))}"])
    return function(cfg, Path(out))


def table(path, rows, root):
    base = root if root.is_dir() else root.parent
    write_csv(path, ("file", "label", "split"), [(str(base / row["file"]), row["label"], row["split"]) for row in rows])
    return [f"data.root={literal(str(path))}", "data=folder"]


def halved(rows, seed):
    """The rows without a random half of each class's training images."""
    of_class = defaultdict(list)
    for row in rows:
        of_class[row["label"]].append(row["file"]) if row["split"] == "train" else None
    dice = random.Random(seed)
    gone = {file for files in of_class.values() for file in dice.sample(sorted(files), len(files) // 2)}
    return [row for row in rows if row["file"] not in gone]


def compare(given, seeds, keys):
    root = digits_folder() if given == "digits" else Path(given).absolute()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        begin = ["data=digits"] if given == "digits" else ["data=folder", f"data.root={literal(str(root))}"]
        trained = run("train", train, out / "whole", *begin, *keys)["val/accuracy"]
        heads = run("data", data, out / "all", f"run={literal(str(out / 'whole'))}", "suspects=0", "thumbnails=1")
        whole, rows = heads["learning_curve"]["now"], read_csv(out / "whole" / "split.csv")
        for seed in range(seeds):
            half = table(out / f"{seed}.csv", halved(rows, seed), root)
            backbone = ["backbone=embedded"] if given == "digits" else []
            run("train", train, out / f"half{seed}", *half, *backbone, *keys)
            made = run(
                "data", data, out / f"data{seed}", f"run={literal(str(out / f'half{seed}'))}", "suspects=0", "thumbnails=1"
            )
            found, seconds = made["learning_curve"], made["time/total_s"]
            yield root.stem, seed, found, whole, trained, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", help="a folder, a CSV, or digits")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--keys", nargs="*", default=[], help="keys of train")
    args = parser.parse_args()
    lines = ["| images | seed | half | twice, expected | 95 % interval | width | all, heads | in it | all, `train` | in it |"]
    lines.append("|---|---|---|---|---|---|---|---|---|---|")
    for given in args.data:
        for name, seed, found, whole, trained, seconds in compare(given, args.seeds, args.keys):
            low, high = found["low"], found["high"]
            ends = f"{low:.4f} to {high:.4f} | {100 * (high - low):.1f} points"
            inside = ["yes" if low <= one <= high else "no" for one in (whole, trained)]
            lines.append(
                f"| {name} | {seed} | {found['now']:.4f} | {found['twice']:.4f} | {ends} "
                f"| {whole:.4f} | {inside[0]} | {trained:.4f} | {inside[1]} |"
            )
            print(lines[-1], f"({seconds:.1f} s)", flush=True)
    print("\n" + "\n".join(lines))


if __name__ == "__main__":
    main()
