"""Does `data` find wrong labels? Some are planted, in a table of labels; how many of them are among the first suspects?

    python scripts/bench_suspects.py digits=20 photos=60 --seeds 3

Each argument is a folder or CSV as `data.root` takes it, or digits, with the number of labels to plant among the training and
validation images, each another class drawn by chance. Twice as many suspects are looked at. No file is touched.
"""

import argparse
import random
import tempfile
from pathlib import Path

from bench_forecast import run, table

from ajuste_fino.data.digits import digits_folder
from ajuste_fino.files import read_csv
from ajuste_fino.runs.grammar import literal
from ajuste_fino.runs.improve import data
from ajuste_fino.runs.train import train


def planted(rows, count, seed):
    """The rows with some wrong labels, and the files that have one."""
    dice, labels = random.Random(seed), sorted({row["label"] for row in rows})
    files = dice.sample(sorted(row["file"] for row in rows if row["split"] != "test"), count)
    wrong = {file: dice.random() for file in files}
    return [
        row | {"label": dice.choice([one for one in labels if one != row["label"]])} if row["file"] in wrong else row
        for row in rows
    ], set(files)


def found(given, count, seed, keys):
    """How many of the planted labels are among the first suspects."""
    root = digits_folder() if given == "digits" else Path(given).absolute()
    base = root if root.is_dir() else root.parent
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        begin = ["data=digits"] if given == "digits" else ["data=folder", f"data.root={literal(str(root))}"]
        run("train", train, out / "split", *begin, "epochs=1", *keys)
        rows, files = planted(read_csv(out / "split" / "split.csv"), count, seed)
        backbone = ["backbone=embedded"] if given == "digits" else []
        run("train", train, out / "run", *table(out / "labels.csv", rows, root), *backbone, *keys)
        made = run("data", data, out / "data", f"run={literal(str(out / 'run'))}", f"suspects={2 * count}", "thumbnails=1")
        suspects = [row["file"] for row in read_csv(out / "data" / "suspects.csv")]
        return len({str(base / file) for file in files} & set(suspects)), made["suspects"]["estimated"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", metavar="DATA=COUNT")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--keys", nargs="*", default=[], help="keys of train")
    args = parser.parse_args()
    print("| images | planted | looked at | found, by seed | estimated to be wrong |\n|---|---|---|---|---|")
    for one in args.data:
        given, _, count = one.rpartition("=")
        each = [found(given, int(count), seed, args.keys) for seed in range(args.seeds)]
        hits, estimated = (", ".join(str(pair[side]) for pair in each) for side in (0, 1))
        print(f"| {Path(given).stem} | {count} | {2 * int(count)} | {hits} | {estimated} |", flush=True)


if __name__ == "__main__":
    main()
