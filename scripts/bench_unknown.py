"""How well trained models tell images of other kinds, at the threshold that each chose on its own validation images.

    python scripts/bench_unknown.py digits clothing=FOLDER grocery=FILE.csv signs=FOLDER --leave 3

Each name is a data set; `digits` is the package's own. A head is trained on each, all keys at their defaults, and given the
test images of all: of its own the share that is accepted, of the others the share that is called unknown, and the area under
the ROC curve of the two by distance (1: no image of the others is nearer than one of its own). With `--leave K` heads are also
trained without a fourth of the classes, two at least, drawn K times, and given the test images of these: the hard case, since
they were taken by the same cameras in the same places.
"""

import argparse
import random
import tempfile
from pathlib import Path

import torch

from ajuste_fino import fine_tune
from ajuste_fino.data.digits import digits_folder
from ajuste_fino.data.inputs import sources
from ajuste_fino.files import read_csv, write_csv


class Subject:
    """A data set, and a model of it."""

    def __init__(self, wanted, place):
        self.name, _, root = wanted.partition("=")
        self.keys = {} if root else {"backbone": "embedded"}
        self.model = fine_tune(root or None, out=str(place / self.name))
        path = Path(root) if root else digits_folder()
        self.folder = (path if path.is_dir() else path.parent).absolute()
        self.rows = read_csv(place / self.name / "split.csv")

    def test(self, labels=None):
        return [
            str(self.folder / row["file"])
            for row in self.rows
            if row["split"] == "test" and (labels is None or row["label"] in labels)
        ]


def distances(model, files):
    return model.scores(sources(files), workers=torch.get_num_threads()).distance


def area(known, other):
    """The area under the ROC curve."""
    return float((other[:, None] > known[None]).double().mean())


def unknown(distance):
    return f"{(distance > 1).double().mean():.3f}"


def table(subjects):
    print(f"| model | own test images accepted | {' | '.join(f'{one.name} unknown (area)' for one in subjects)} | s to fit |")
    print(f"|---|---|{'---|' * len(subjects)}---|")
    for one in subjects:
        known = distances(one.model, one.test())
        cells = [f"{(known <= 1).double().mean():.3f} of {len(known)}"]
        for other in subjects:
            found = None if other is one else distances(one.model, other.test())
            cells.append("" if found is None else f"{unknown(found)} of {len(found)} ({area(known, found):.4f})")
        print(f"| {one.name} | {' | '.join(cells)} | {one.model.metrics['time/novelty_s']:.2f} |", flush=True)


def left_out(subject, seed, place):
    """A model of all classes but some, its test images, and those of the others."""
    labels = subject.model.labels
    out = set(random.Random(seed).sample(labels, max(2, len(labels) // 4)))
    rows = [[str(subject.folder / row["file"]), row["label"], row["split"]] for row in subject.rows if row["label"] not in out]
    csv = place / f"{subject.name}-{seed}.csv"
    write_csv(csv, ["file", "label", "split"], rows)
    model = fine_tune(csv, out=str(place / csv.stem), **subject.keys)
    return distances(model, subject.test(set(labels) - out)), distances(model, subject.test(out))


def table_left_out(subjects, times, place):
    print("\n| without a fourth of the classes | own accepted | left-out classes unknown | area |\n|---|---|---|---|")
    for one in subjects:
        pairs = [left_out(one, seed, place) for seed in range(times)]
        shares = [
            torch.tensor([[float((a <= 1).double().mean()), float((b > 1).double().mean()), area(a, b)] for a, b in pairs])
        ]
        print(f"| {one.name} | {' | '.join(f'{value:.3f}' for value in torch.cat(shares).mean(0).tolist())} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", metavar="digits|NAME=FOLDER|NAME=FILE.csv")
    parser.add_argument("--leave", type=int, default=0, metavar="K")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        subjects = [Subject(wanted, Path(temporary)) for wanted in args.sets]
        table(subjects)
        if args.leave:
            table_left_out(subjects, args.leave, Path(temporary))


if __name__ == "__main__":
    main()
