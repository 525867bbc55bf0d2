"""Two competitors of `bench_peers.py` that train a new head and the last blocks of a network, the same blocks as ours.

fastai: `vision_learner` and `fine_tune` with the rates that it has by default, `Resize(460)` and `aug_transforms(size=224)`,
as its tutorial has them. `fine_tune` trains the head for an epoch, then the whole network. To train the same blocks as ours,
the learner has three groups (the frozen blocks, the trained ones, the head) and `freeze_to(-2)` in the place of `unfreeze`;
without `train_bn=False` and `BnFreeze` it would train the BatchNorm of frozen blocks as well. It keeps the last epoch.

timm: a loop such as its own training script has, with its parts, on torchvision's network: AdamW, cosine with an epoch of
warm-up, counted in steps, RandAugment, smoothed labels. The frozen blocks are frozen by `timm.utils.freeze`, which holds
their BatchNorm still; head and trained blocks learn together from the first step on. It keeps the best epoch by validation
accuracy. For AdamW and a batch of 32 the script's own rate would be 0.035; here it is `--timm-lr`.

Each takes the arguments of that script and a number of epochs, and returns what `outcome` makes.
`python scripts/bench_peers.py FOLDER --phases ladder` calls them, each in a process of its own.
"""

import time
from pathlib import Path

import torch
from peers_frozen import SIDE, judged, new_head
from torchvision import models

BATCH = {"fastai": 64, "timm": 32}
WEIGHT_DECAY, SMOOTHING, WARMUP = 0.05, 0.1, 1  # WARMUP: epochs


def frozen_blocks(backbone):
    """The names of the blocks of torchvision's network that ours does not train, and how many parameters it trains.

    Ends the script where ours does not train all that comes behind those blocks.
    """
    from ajuste_fino.backbone import build

    ours, _ = build(backbone, "none")
    first, blocks = ours.first_trained("upper"), ours.trained_blocks("upper")
    frozen, count = ours.blocks[:first], sum(parameter.numel() for block in blocks for parameter in block)
    net = models.get_model(backbone, weights=None)
    head = new_head(net, 2)
    require(count, (p for name, p in net.named_parameters() if not is_in(frozen, name)), head)
    return frozen, count


def is_in(blocks, name):
    """Whether a parameter is one of these blocks'."""
    return name.startswith(tuple(f"{block}." for block in blocks))


def require(count, parameters, head=None):
    """The number of parameters that are trained, less the head's; ends the script where ours trains another number."""
    left_out = set() if head is None else set(map(id, head.parameters()))
    found = sum(p.numel() for p in parameters if p.requires_grad and id(p) not in left_out)
    if found != count:
        raise SystemExit(f"{found:,} parameters of the backbone would be trained, and ours trains {count:,}")
    return found


def outcome(spent, epochs, right, trained):
    """Seconds of an epoch, accuracy, which test images are right, how many parameters of the backbone were trained."""
    return spent / epochs, sum(right.values()) / len(right), right, trained


def named(file, args):
    """A test image as our table of predictions names it."""
    return Path(file).relative_to(args.folder).as_posix()


def fastai(args, epochs):
    from fastai.vision import all as fv

    learner, started = fastai_learner(args), 0.0

    def part_of_it():
        nonlocal started
        learner.freeze_to(-2)
        require(args.trained, learner.model[0].parameters())
        started = time.perf_counter()

    learner.unfreeze = part_of_it
    with learner.no_bar():
        learner.fine_tune(epochs)
        spent = time.perf_counter() - started
        files = fv.get_image_files(args.folder / "test")
        chances, _ = learner.get_preds(dl=learner.dls.test_dl(files))
    predicted = [learner.dls.vocab[n] for n in chances.argmax(1).tolist()]
    right = {named(file, args): label == file.parent.name for label, file in zip(predicted, files, strict=True)}
    return outcome(spent, epochs, right, require(args.trained, learner.model[0].parameters()))


def fastai_learner(args):
    from fastai.callback.training import BnFreeze
    from fastai.vision import all as fv
    from fastai.vision.learner import model_meta

    varied = {"item_tfms": fv.Resize(460), "batch_tfms": fv.aug_transforms(size=SIDE)}
    dls = fv.ImageDataLoaders.from_folder(args.folder, train="train", valid="validation", bs=BATCH["fastai"], **varied)
    arch = getattr(models, args.backbone)
    if arch not in model_meta:  # such as mobilenet_v2: it would look for the end of the body in vain, and not normalise
        model_meta[arch] = {"cut": -1, "split": None, "stats": fv.imagenet_stats, "weights": "DEFAULT"}
    names = [name for name, _ in models.get_model(args.backbone, weights=None).named_children()]

    def groups(model):
        """The body's parts have numbers in the place of their names."""
        parts = [[], [], list(model[1:].parameters())]
        for name, parameter in model[0].named_parameters():
            number, _, rest = name.partition(".")
            parts[0 if is_in(args.frozen, f"{names[int(number)]}.{rest}") else 1].append(parameter)
        return parts

    still = {"train_bn": False, "cbs": BnFreeze()}
    return fv.vision_learner(dls, arch, pretrained=args.weights is not None, splitter=groups, metrics=fv.accuracy, **still)


def timm(args, epochs):
    from timm.loss import LabelSmoothingCrossEntropy
    from timm.optim import create_optimizer_v2
    from timm.scheduler import create_scheduler_v2
    from timm.utils import freeze

    loaders = timm_loaders(args)
    net = models.get_model(args.backbone, weights="DEFAULT" if args.weights else None)
    freeze(net, args.frozen)
    head = new_head(net, len(loaders["train"].dataset.classes))
    trained = require(args.trained, net.parameters(), head)
    optimizer = create_optimizer_v2(net, opt="adamw", lr=args.timm_lr, weight_decay=WEIGHT_DECAY)
    steps = len(loaders["train"])
    schedule, _ = create_scheduler_v2(
        optimizer, num_epochs=epochs, warmup_epochs=WARMUP, step_on_epochs=False, updates_per_epoch=steps
    )
    loss = LabelSmoothingCrossEntropy(SMOOTHING)
    best, kept = -1.0, net.state_dict()
    started = time.perf_counter()
    for epoch in range(epochs):
        net.train()
        for step, (x, y) in enumerate(loaders["train"], start=epoch * steps + 1):
            optimizer.zero_grad()
            loss(net(x), y).backward()
            optimizer.step()
            schedule.step_update(step)
        if (accuracy := judged(net, loaders["validation"])) > best:
            best, kept = accuracy, {name: tensor.clone() for name, tensor in net.state_dict().items()}
    spent = time.perf_counter() - started
    net.load_state_dict(kept)
    return outcome(spent, epochs, which_right(net, loaders["test"], args), trained)


def timm_loaders(args):
    from timm.data import auto_augment, create_transform
    from torchvision import datasets

    bits = auto_augment.LEVEL_TO_ARG["PosterizeIncreasing"]  # now and then 0, which Pillow refuses since it has a check
    auto_augment.LEVEL_TO_ARG["PosterizeIncreasing"] = lambda *level: (max(bits(*level)[0], 1),)
    varied = create_transform(SIDE, is_training=True, auto_augment="rand-m9-mstd0.5-inc1")
    plain = create_transform(SIDE)
    loaders = {}
    for split in ("train", "validation", "test"):
        train = split == "train"
        data = datasets.ImageFolder(args.folder / split, varied if train else plain)
        loaders[split] = torch.utils.data.DataLoader(data, BATCH["timm"], shuffle=train, drop_last=train, num_workers=2)
    return loaders


@torch.no_grad()
def which_right(net, loader, args):
    net.eval()
    right = torch.cat([net(x).argmax(1) == y for x, y in loader]).tolist()
    return {named(file, args): one for (file, _), one in zip(loader.dataset.samples, right, strict=True)}
