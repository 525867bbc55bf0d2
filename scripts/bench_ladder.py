"""What fine-tuning gains over the head alone, and what the cached maps save: accuracy by seed, seconds by part.

    python scripts/bench_ladder.py FOLDER --seeds 0 1 2
    python scripts/bench_ladder.py FOLDER --epoch

Accuracy: for each seed `phases=head` and `phases=ladder` with an empty cache each, from start to exit; test accuracies are
compared image by image (McNemar). Further `key=value` arguments go to both.

`--epoch` times an epoch of the ladder's second phase three ways, in turns: `features.mode=live` (decode, trunk, tail), from
cached maps, and the tail alone on maps in memory; and says which share of decoding and trunk the maps save.
"""

import argparse
import csv
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean

import torch
from processes import watched

from ajuste_fino.backbone import build
from ajuste_fino.scores import paired_difference

PYTHON = ("-m", "ajuste_fino", "train", "data=folder")
BATCH = 32


def train(folder, out, cache, *keys):
    """Seconds of a run from start to exit, and its folder."""
    command = [sys.executable, *PYTHON, f"data.root={folder.absolute()}", f"out={out}", *keys]
    seconds, peak, _ = watched(command, {**os.environ, "XDG_CACHE_HOME": str(cache)})
    return seconds, peak, json.loads((out / "metrics.json").read_text())


def right(out):
    """By file, whether its prediction is right."""
    with (out / "predictions_test.csv").open(encoding="utf-8-sig") as file:
        return {row["file"]: row["predicted"] == row["label"] for row in csv.DictReader(file)}


def by_seed(args, home):
    print("| seed | head | ladder | difference ± standard error | s head | s ladder, of which maps, fit | peak MiB |")
    print("|---|---|---|---|---|---|---|")
    found = []
    for seed in args.seeds:
        keys = [f"seed={seed}", *args.keys]
        runs = {}
        for name in ("head", "ladder"):
            out, cache = home / f"{name}-{seed}", home / f"cache-{name}-{seed}"
            runs[name] = (*train(args.folder, out, cache, f"phases={name}", *keys), right(out))
        (a, _, _, head), (b, peak, metrics, ladder) = runs["head"], runs["ladder"]
        gain, error = paired_difference(head, ladder)
        shares = [sum(one.values()) / len(one) for one in (head, ladder)]
        found.append(shares)
        parts = f"{metrics['time/extract_s']:.0f}, {metrics['time/fit_s']:.0f}"
        difference = f"{gain:+.4f} ± {error:.4f}"
        print(
            f"| {seed} | {shares[0]:.4f} | {shares[1]:.4f} | {difference} | {a:.0f} | {b:.0f}, of which {parts} | {peak:.0f} |",
            flush=True,
        )
    head, ladder = (mean(one[n] for one in found) for n in (0, 1))
    print(f"| mean | {head:.4f} | {ladder:.4f} | {ladder - head:+.4f} | | | |")


def by_part(args, home):
    """Seconds of an epoch of the upper blocks and the head: live, from cached maps, and computed on maps in memory."""
    seconds = {}
    for mode in ("cached", "live"):
        fits = {}
        for epochs in (0, 1, 3):  # the first computes the maps, and is not counted
            schedule = f"[{{train_from: upper, epochs: {max(epochs, 1)}, lr: 0.0003, backbone_lr_mult: 0.7}}]"
            keys = [f"phases.schedule={schedule}", f"features.mode={mode}", "patience=9", "batch_size=32"]
            fits[epochs] = train(args.folder, home / f"{mode}-{epochs}", home / "cache", "phases=ladder", *keys, *args.keys)[2]
        seconds[mode] = (fits[3]["time/fit_s"] - fits[1]["time/fit_s"]) / 2
    with (home / "live-1" / "split.csv").open(encoding="utf-8-sig") as file:
        splits = [row["split"] for row in csv.DictReader(file)]
    seconds["tail alone"] = tail_alone(args.backbone, splits.count("train"), splits.count("val"))
    share = (seconds["live"] - seconds["cached"]) / (seconds["live"] - seconds["tail alone"])
    print("| s an epoch, live | from cached maps | the tail alone | live / cached | of decoding and trunk saved |")
    print("|---|---|---|---|---|")
    live, cached, alone = (seconds[name] for name in ("live", "cached", "tail alone"))
    print(f"| {live:.1f} | {cached:.1f} | {alone:.1f} | {live / cached:.1f} | {share:.1%} |")


def tail_alone(name, train_images, val_images):
    """Seconds of an epoch of steps on one batch of maps in memory, and of its validation."""
    backbone, _ = build(name, "none")
    _, tail = backbone.split("upper")
    first = backbone.blocks[backbone.first_trained("upper") - 1]
    head = torch.nn.Linear(backbone.num_features, 10)
    maps = torch.rand(BATCH, *backbone.recording.calls[first].shape).contiguous(memory_format=torch.channels_last)
    targets = torch.arange(BATCH) % 10
    tail.eval().requires_grad_(True)  # as BatchNorm is
    optimizer = torch.optim.AdamW([*tail.parameters(), *head.parameters()])

    def step():
        torch.nn.functional.cross_entropy(head(tail(maps)), targets).backward()
        optimizer.step()
        optimizer.zero_grad()

    step()
    started = time.perf_counter()
    for _ in range(train_images // BATCH):
        step()
    with torch.no_grad():
        for _ in range(val_images // BATCH):
            head(tail(maps))
    return time.perf_counter() - started


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--epoch", action="store_true")
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("keys", nargs="*", help="key=value of train")
    args = parser.parse_args()
    args.keys.append(f"backbone={args.backbone}")
    with tempfile.TemporaryDirectory() as temporary:
        (by_part if args.epoch else by_seed)(args, Path(temporary))


if __name__ == "__main__":
    main()
