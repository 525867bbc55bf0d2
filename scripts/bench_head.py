"""The head as `train` fits it by default, beside logistic regression on the same features: is it ever the worse one?

    python scripts/bench_head.py PHOTOS digits table.csv --backbones embedded squeezenet1_1=squeezenet1_1.pth --splits 4

Folders or CSV files as `data.root` takes them, or digits. A backbone is a name as `backbone.name` takes it, alone with the
weights that are published, or with `=PATH` for those of a file. Each split is a stratified one by its own seed, the same for
both heads: `train`, then `train head=logistic`, whose C is chosen on the validation split. Features are computed once and
kept in the cache, and precede the seconds of fitting. The test accuracies of all splits are averaged.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

from ajuste_fino.runs.configuration import compose
from ajuste_fino.runs.grammar import literal
from ajuste_fino.runs.train import train

METRICS = ("val/accuracy", "test/accuracy", "time/fit_s")


def fit(data, backbone, seed, *keys):
    name, _, weights = backbone.partition("=")
    root = ["data=digits"] if data == "digits" else ["data=folder", f"data.root={literal(str(Path(data).absolute()))}"]
    given = [f"backbone.name={name}", f"backbone.weights={literal(str(Path(weights).absolute()))}" if weights else ""]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "run")
        train_keys = [*root, *filter(None, given), f"seed={seed}", f"out={literal(str(out))}", *keys]
        metrics = train(compose("train", train_keys), out)
    return [metrics[name] for name in METRICS]


def compare(data, backbone, splits, keys):
    """The means over the splits of each metric, ours and logistic regression's."""
    ways = ([fit(data, backbone, seed, *way) for seed in range(splits)] for way in (keys, ["head=logistic"]))
    return [[statistics.mean(column) for column in zip(*way, strict=True)] for way in ways]


def line(name, ours, logistic):
    accuracies = f"{ours[0]:.4f} | {logistic[0]:.4f} | {ours[1]:.4f} | {logistic[1]:.4f} | {ours[1] - logistic[1]:+.4f}"
    return f"| {name} | {accuracies} | {ours[2]:.1f} s | {logistic[2]:.1f} s |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", help="a folder, a CSV, or digits")
    parser.add_argument("--backbones", nargs="+", default=["embedded"], metavar="NAME[=PATH]")
    parser.add_argument("--splits", type=int, default=4)
    parser.add_argument("--keys", nargs="*", default=[], help="keys of train for our head, to try other ones than the defaults")
    args = parser.parse_args()
    rows = []
    for data in args.data:
        for backbone in args.backbones:
            name = f"{Path(data).stem} | {Path(backbone.partition('=')[0]).name}"
            rows.append((name, *compare(data, backbone, args.splits, args.keys)))
            print(line(*rows[-1]), flush=True)
    print("\n| images | backbone | validation: ours | logistic | test: ours | logistic | difference | fit: ours | logistic |")
    print("|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        print(line(*row))
    means = [[statistics.mean(column) for column in zip(*(row[way] for row in rows), strict=True)] for way in (1, 2)]
    print(line("mean | ", *means))


if __name__ == "__main__":
    main()
