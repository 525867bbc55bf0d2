"""Two competitors of `bench_peers.py` that train a head on a frozen network, as their documentation begins.

Each takes the arguments of that script and a number of epochs, and returns the seconds of an epoch and the accuracy on the
test images. `python scripts/bench_peers.py FOLDER` calls them, each in a process of its own.
"""

import time

import torch
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
