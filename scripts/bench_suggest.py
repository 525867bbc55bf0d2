"""Does `suggest` choose better than chance? Accuracy after some more labels, chosen by it and at random.

    python scripts/bench_suggest.py photos grocery/coarse.csv=200 digits=50 --more 100 --seeds 5

Each argument is a folder or CSV as `data.root` takes it, or digits, perhaps with the number of labels to begin with (100). A
seed draws these among the training images, at least one of each class, and `train` learns from them, with the validation images
as they are. The labels of the other training images are unknown; `suggest` chooses `--more` of them, chance as many. `train`
then learns from both, and the test images judge. Features are computed once and kept in the cache.
"""

import argparse
import random
import statistics
import tempfile
from collections import defaultdict
from pathlib import Path

from bench_forecast import run, table

from ajuste_fino.data.digits import digits_folder
from ajuste_fino.files import read_csv
from ajuste_fino.runs.grammar import literal
from ajuste_fino.runs.label_next import suggest
from ajuste_fino.runs.train import train


def begin(train_rows, count, dice):
    """The files whose labels are known: one of each class, and others."""
    of_class = defaultdict(list)
    for row in train_rows:
        of_class[row["label"]].append(row["file"])
    first = [dice.choice(files) for _, files in sorted(of_class.items())]
    others = sorted({row["file"] for row in train_rows} - set(first))
    return {*first, *dice.sample(others, max(count - len(first), 0))}


def split(given, root, keys):
    """The images with their labels and splits, as `train` has them."""
    with tempfile.TemporaryDirectory() as folder:
        data = ["data=digits"] if given == "digits" else ["data=folder", f"data.root={literal(str(root))}"]
        run("train", train, Path(folder, "run"), *data, "epochs=1", *keys)
        return read_csv(Path(folder, "run", "split.csv"))


def accuracies(given, root, rows, count, more, seed, keys):
    """Test accuracy with the first labels, with more by chance, with as many by `suggest`."""
    base = root if root.is_dir() else root.parent
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        known = begin([row for row in rows if row["split"] == "train"], count, dice)
        pool = sorted(row["file"] for row in rows if row["split"] == "train" and row["file"] not in known)
        backbone = ["backbone=embedded"] if given == "digits" else []

        def learn(name, files):
            there = [row for row in rows if row["split"] != "train" or row["file"] in files]
            made = table(out / f"{name}.csv", there, root)
            return run("train", train, out / name, *made, *backbone, *keys)["test/accuracy"]

        first = learn("first", known)
        images = literal([str(base / file) for file in pool])
        run("suggest", suggest, out / "suggest", f"run={literal(str(out / 'first'))}", f"images={images}", f"k={more}")
        chosen = {str(Path(row["file"]).relative_to(base)) for row in read_csv(out / "suggest" / "suggest.csv")}
        return first, learn("chance", known | set(dice.sample(pool, more))), learn("suggested", known | chosen)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", metavar="DATA[=LABELS]")
    parser.add_argument("--more", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--keys", nargs="*", default=[], help="keys of train")
    args = parser.parse_args()
    lines = ["| images | labels | without more | more, by chance | more, by `suggest` | difference | seeds it wins |"]
    lines.append("|---|---|---|---|---|---|---|")
    for one in args.data:
        given, _, count = one.rpartition("=") if one.rpartition("=")[2].isdigit() else (one, "", "100")
        root = digits_folder() if given == "digits" else Path(given).absolute()
        rows, each = split(given, root, args.keys), []
        for seed in range(args.seeds):
            each.append(accuracies(given, root, rows, int(count), args.more, seed, args.keys))
            print(f"{given}, seed {seed}: " + ", ".join(f"{value:.4f}" for value in each[-1]), flush=True)
        first, chance, suggested = (statistics.mean(column) for column in zip(*each, strict=True))
        gains = [row[2] - row[1] for row in each]
        error = statistics.stdev(gains) / len(gains) ** 0.5
        wins = f"{sum(gain > 0 for gain in gains)} of {len(gains)}"
        lines.append(
            f"| {Path(given).stem} | {count} + {args.more} | {first:.4f} | {chance:.4f} | {suggested:.4f} "
            f"| {100 * statistics.mean(gains):+.1f} ± {100 * error:.1f} points | {wins} |"
        )
        print(lines[-1], flush=True)
    print("\n" + "\n".join(lines))


if __name__ == "__main__":
    main()
