"""The same images, weights and epochs through what people use today: wall time, peak memory, test accuracy.

    python scripts/bench_peers.py FOLDER --backbone squeezenet1_1 --weights squeezenet1_1.pth
    python scripts/bench_peers.py FOLDER --backbone resnet18 --peer-epochs 2
    python scripts/bench_peers.py FOLDER --phases ladder --backbone mobilenet_v2 --weights mobilenet_v2.pth

FOLDER holds train, validation and test. Each competitor is a process of its own, from start to exit, one after another:

    fastai     `vision_learner`, frozen, `Resize(224)`, `fit_one_cycle`, as its documentation begins
    tutorial   the loop of PyTorch's transfer-learning tutorial, the network as a fixed feature extractor
    ours       `ajuste-fino train`, with an empty cache, then again

With `--phases ladder` ours is `ajuste-fino train phases=ladder`, and the others train a head and the same last blocks of the
network for as many epochs as its last phase does (`--epochs` changes that number for all of them; ours does not stop early):

    fastai     `vision_learner`, an epoch of the head, then `fine_tune`'s rates, `aug_transforms()`
    timm       a loop of timm's parts: AdamW, cosine with warm-up, RandAugment, smoothed labels, its way to freeze

How each was made to train the same blocks is said in `peers_finetuning.py`. Accuracies then have their standard errors, and
the difference to ours has that of a comparison image by image.

With `--peer-epochs 2` the peers train two epochs, and the table has (start and end) + (an epoch) × epochs. Without
`--weights` the weights are random: the times are the same, and accuracies mean nothing. Needs the extra `bench`.
"""

import argparse
import csv
import json
import os
import sys
import tempfile
from pathlib import Path

import peers_finetuning
import peers_frozen
import torch
import yaml
from peers_table import Row, show_head, show_ladder
from processes import watched
from torchvision import models

PEERS = {
    "head": {"fastai": peers_frozen.fastai, "tutorial": peers_frozen.tutorial},
    "ladder": {"fastai": peers_finetuning.fastai, "timm": peers_finetuning.timm},
}
LADDER = Path(__file__).parents[1] / "conf" / "phases" / "ladder.yaml"


def cache_weights(args, home):
    """The weights under the name that torchvision looks for, so that peers load them as their documentation says."""
    (home / "hub" / "checkpoints").mkdir(parents=True)
    net = models.get_model(args.backbone, weights=None)
    net.load_state_dict(torch.load(args.weights, weights_only=True), strict=False)  # an old classifier may be missing
    name = models.get_model_weights(args.backbone).DEFAULT.url.rpartition("/")[2]
    torch.save(net.state_dict(), home / "hub" / "checkpoints" / name)


def peer(name, args, environment):
    epochs = args.peer_epochs or args.epochs
    command = [sys.executable, __file__, args.folder, "--backbone", args.backbone, "--only", name, "--epochs", str(epochs)]
    command += ["--weights", args.weights] if args.weights else []
    command += ["--phases", args.phases, "--timm-lr", args.timm_lr]
    if args.phases == "ladder":
        command += ["--trained", args.trained, "--frozen", *args.frozen]
    seconds, peak, output = watched(command, environment)
    epoch, *reached = json.loads(output.splitlines()[-1])
    row = Row(seconds + (args.epochs - epochs) * epoch, peak, *reached)
    return row if epochs == args.epochs else row._replace(accuracy=None, right=None)


def ours(args, environment, out):
    keys = {
        "data": "folder",
        "data.root": args.folder.absolute(),
        "backbone.name": args.backbone,
        "backbone.weights": args.weights.absolute() if args.weights else "none",
        **({"epochs": args.epochs} if args.phases == "head" else ladder(args)),
        "patience": args.epochs,
        "out": out,
    }
    command = [sys.executable, "-m", "ajuste_fino", "train", *(f"{key}={value}" for key, value in keys.items())]
    seconds, peak, _ = watched(command, environment)
    metrics = json.loads((out / "metrics.json").read_text())
    with (out / "predictions_test.csv").open(encoding="utf-8", newline="") as table:
        right = {row["file"]: row["label"] == row["predicted"] for row in csv.DictReader(table)}
    return Row(seconds, peak, metrics["test/accuracy"], right, metrics.get("trained/parameters"))


def ladder(args):
    """The keys of the ladder with as many epochs in its last phase as the others train."""
    keys = {"phases": "ladder"} | ({} if args.weights else {"phases.start": "any"})
    schedule = ladder_schedule()
    if schedule[-1]["epochs"] == args.epochs:
        return keys
    schedule[-1]["epochs"] = args.epochs
    phases = ["{" + ",".join(f"{key}:{json.dumps(value)}" for key, value in phase.items()) + "}" for phase in schedule]
    return keys | {"phases.schedule": f"[{','.join(phases)}]"}


def ladder_schedule():
    return yaml.safe_load(LADDER.read_text(encoding="utf-8"))["schedule"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--phases", default="head", choices=list(PEERS))
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--epochs", type=int, help="of the head, 10; of fine-tuning, what phases=ladder has")
    parser.add_argument("--peer-epochs", type=int)
    parser.add_argument("--peers", nargs="*", choices=sorted({name for group in PEERS.values() for name in group}))
    parser.add_argument("--timm-lr", type=float, default=3e-4, help="the learning rate of timm's loop, %(default)s")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    parser.add_argument("--frozen", nargs="*", help=argparse.SUPPRESS)
    parser.add_argument("--trained", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.epochs = args.epochs or (ladder_schedule()[-1]["epochs"] if args.phases == "ladder" else 10)
    args.peers = list(PEERS[args.phases]) if args.peers is None else args.peers
    if other := set(args.peers) - set(PEERS[args.phases]):
        parser.error(f"--phases {args.phases} is not run by {', '.join(sorted(other))}")
    return args


def main():
    args = arguments()
    if args.only:
        print(json.dumps(PEERS[args.phases][args.only](args, args.epochs)))
        return
    if args.phases == "ladder":
        args.frozen, args.trained = peers_finetuning.frozen_blocks(args.backbone)
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        environment = {**os.environ, "TORCH_HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
        if args.weights:
            cache_weights(args, home)
        rows = {"ours, first": ours(args, environment, home / "first"), "ours, again": ours(args, environment, home / "again")}
        rows |= {name: peer(name, args, environment) for name in args.peers}
    if args.phases == "ladder":
        assert {row.trained for row in rows.values()} == {args.trained}, "all train the same parameters of the backbone"
    (show_head if args.phases == "head" else show_ladder)(rows, args)


if __name__ == "__main__":
    main()
