"""The same images, weights and epochs through what people use today: wall time, peak memory, test accuracy.

    python scripts/bench_peers.py FOLDER --backbone squeezenet1_1 --weights squeezenet1_1.pth
    python scripts/bench_peers.py FOLDER --backbone resnet18 --peer-epochs 2

FOLDER holds train, validation and test. Each competitor is a process of its own, from start to exit, one after another:

    fastai     `vision_learner`, frozen, `Resize(224)`, `fit_one_cycle`, as its documentation begins
    tutorial   the loop of PyTorch's transfer-learning tutorial, the network as a fixed feature extractor
    ours       `ajuste-fino train`, with an empty cache, then again

With `--peer-epochs 2` the peers train two epochs, and the table has (start and end) + (an epoch) × epochs. Without
`--weights` the weights are random: the times are the same, and accuracies mean nothing. Needs the extra `bench`.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import torch
from processes import watched
from torchvision import models

SIDE = 224
BATCH = {"fastai": 64, "tutorial": 4}


def fastai(args, epochs):
    from fastai.vision import all as fv

    dls = fv.ImageDataLoaders.from_folder(
        args.folder, train="train", valid="validation", item_tfms=fv.Resize(SIDE), bs=BATCH["fastai"]
    )
    learner = fv.vision_learner(dls, getattr(fv, args.backbone), pretrained=args.weights is not None, metrics=fv.accuracy)
    learner.freeze()
    with learner.no_bar():
        started = time.perf_counter()
        learner.fit_one_cycle(epochs)
        spent = time.perf_counter() - started
        files = fv.get_image_files(args.folder / "test")
        chances, _ = learner.get_preds(dl=dls.test_dl(files))
    predicted = [dls.vocab[n] for n in chances.argmax(1).tolist()]
    right = sum(label == file.parent.name for label, file in zip(predicted, files, strict=True))
    return spent / epochs, right / len(files)


def tutorial(args, epochs):
    from torchvision import datasets, transforms

    tail = [transforms.ToTensor(), transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]
    varied = transforms.Compose([transforms.RandomResizedCrop(SIDE), transforms.RandomHorizontalFlip(), *tail])
    plain = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(SIDE), *tail])
    sets = {
        split: datasets.ImageFolder(args.folder / split, varied if split == "train" else plain)
        for split in ("train", "validation", "test")
    }
    loaders = {
        split: torch.utils.data.DataLoader(data, BATCH["tutorial"], shuffle=split == "train", num_workers=4)
        for split, data in sets.items()
    }
    net = models.get_model(args.backbone, weights="DEFAULT" if args.weights else None)
    net.requires_grad_(False)
    head = new_head(net, len(sets["train"].classes))
    optimizer = torch.optim.SGD(head.parameters(), lr=0.001, momentum=0.9)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 7, 0.1)
    best, kept = -1.0, net.state_dict()
    started = time.perf_counter()
    for _ in range(epochs):
        net.train()
        for x, y in loaders["train"]:
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(net(x), y).backward()
            optimizer.step()
        schedule.step()
        if (accuracy := judged(net, loaders["validation"])) > best:
            best, kept = accuracy, {name: tensor.clone() for name, tensor in net.state_dict().items()}
    spent = time.perf_counter() - started
    net.load_state_dict(kept)
    return spent / epochs, judged(net, loaders["test"])


def new_head(net, classes):
    """A new last layer in the place of the old one."""
    if hasattr(net, "fc"):
        net.fc = torch.nn.Linear(net.fc.in_features, classes)
        return net.fc
    for n, layer in reversed(list(enumerate(net.classifier))):
        if isinstance(layer, torch.nn.Conv2d):
            net.classifier[n] = torch.nn.Conv2d(layer.in_channels, classes, 1)
            return net.classifier[n]
        if isinstance(layer, torch.nn.Linear):
            net.classifier[n] = torch.nn.Linear(layer.in_features, classes)
            return net.classifier[n]
    raise SystemExit("no last layer found")


@torch.no_grad()
def judged(net, loader):
    net.eval()
    right = sum(int((net(x).argmax(1) == y).sum()) for x, y in loader)
    return right / len(loader.dataset)


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
    seconds, peak, output = watched(command, environment)
    epoch, accuracy = json.loads(output.splitlines()[-1])
    return seconds + (args.epochs - epochs) * epoch, peak, accuracy if epochs == args.epochs else None


def ours(args, environment, out):
    keys = {
        "data": "folder",
        "data.root": args.folder.absolute(),
        "backbone.name": args.backbone,
        "backbone.weights": args.weights.absolute() if args.weights else "none",
        "epochs": args.epochs,
        "patience": args.epochs,
        "out": out,
    }
    command = [sys.executable, "-m", "ajuste_fino", "train", *(f"{key}={value}" for key, value in keys.items())]
    seconds, peak, _ = watched(command, environment)
    return seconds, peak, json.loads((out / "metrics.json").read_text())["test/accuracy"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--peer-epochs", type=int)
    parser.add_argument("--peers", nargs="*", default=["fastai", "tutorial"], choices=["fastai", "tutorial"])
    parser.add_argument("--only", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        print(json.dumps({"fastai": fastai, "tutorial": tutorial}[args.only](args, args.epochs)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        environment = {**os.environ, "TORCH_HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
        if args.weights:
            cache_weights(args, home)
        rows = {"ours, first": ours(args, environment, home / "first"), "ours, again": ours(args, environment, home / "again")}
        rows |= {name: peer(name, args, environment) for name in args.peers}
        show(rows, args)


def show(rows, args):
    how = f", peers timed over {args.peer_epochs}" if args.peer_epochs else ""
    print(f"{args.backbone}, {args.weights.name if args.weights else 'random weights'}, {args.epochs} epochs{how}\n")
    print("| | seconds | peak MiB | test accuracy | times ours, first | times ours, again |")
    print("|---|---|---|---|---|---|")
    first, again = rows["ours, first"][0], rows["ours, again"][0]
    for name, (seconds, peak, accuracy) in rows.items():
        said = f"{accuracy:.4f}" if accuracy is not None and args.weights else "–"
        print(f"| {name} | {seconds:.1f} | {peak:.0f} | {said} | {seconds / first:.1f} | {seconds / again:.1f} |")


if __name__ == "__main__":
    main()
