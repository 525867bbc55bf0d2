"""`list`: the names one can choose from, or the blocks of one backbone."""

from concurrent.futures import ThreadPoolExecutor
from math import prod
from pathlib import Path

from omegaconf import DictConfig
from rich.table import Column, Table

from ajuste_fino.console import screen
from ajuste_fino.errors import UserError
from ajuste_fino.runs.conf import backbone_name, conf_file, options
from ajuste_fino.runs.console import still_working
from ajuste_fino.verbs import VERBS

GROUPS = ("data", "augment", "head", "phases", "optimizer", "schedule")  # beside the backbones, which have a table of their own
MADE_TO_MEASURE = {"cnn": "none: your design", "own": "none: your class"}


def show(cfg: DictConfig, out: Path) -> None:
    """Print verbs, names and backbones; with `backbone=NAME` the blocks of that one.

    Raises:
        UserError: where there is no such backbone.
    """
    if cfg.backbone.name is not None:
        with still_working(f"Dividing {cfg.backbone.name} before each of its blocks"):
            table = _blocks(str(cfg.backbone.name))
        screen().print(table)
        return
    table = Table(Column("what you type", no_wrap=True), "what it is")
    for name, verb in VERBS.items():
        table.add_row(f"ajuste-fino {name}", verb.help)
    for group in GROUPS:
        table.add_section()
        for name in options(group):
            table.add_row(f"{group}={name}", conf_file(f"{group}/{name}").description)
    console = screen()
    console.print(table)
    console.print(_backbones())
    for origin, names in _origins().items():
        console.print(f"{', '.join(names)}: {origin}.", highlight=False)


def _backbones() -> Table:
    """The short names, what of each is frozen, how many features it gives at its default cut, and whether it is here."""
    import torch  # three seconds, which the table above need not wait for

    from ajuste_fino.backbone import build
    from ajuste_fino.backbone.whereabouts import whereabouts

    how = "… or backbone.name=any of torchvision, or timm/NAME. ajuste-fino fetch backbone=NAME brings weights here."
    table = Table(Column("backbone=NAME", no_wrap=True), "frozen", "features", "cut after", "image", "weights", caption=how)
    names = {name: backbone_name(name) for name in options("backbone")}
    with ThreadPoolExecutor() as pool:  # hashes the files that are here, while the networks are built
        here = {name: pool.submit(whereabouts, full) for name, full in names.items()}
        for name, full in names.items():
            if name in MADE_TO_MEASURE:
                table.add_row(name, "–", "–", "–", "–", MADE_TO_MEASURE[name])
                continue
            with torch.device("meta"):  # shapes without numbers: nothing is allocated
                backbone, _ = build(full, "none")
            count, size = sum(p.numel() for p in backbone.parameters()), backbone.preprocessing["size"]
            block = _short(backbone.spec.layer or "–")
            table.add_row(name, f"{count:,}", f"{backbone.num_features:,}", block, f"{size} px", here[name].result())
    return table


def _blocks(name: str) -> Table:
    """The blocks of a backbone in their order, as its structure has them: its weights are random, and nothing is fetched."""
    import torch

    from ajuste_fino.backbone import build

    if name == "own":
        fix = "Pass the name of a network."
        raise UserError("backbone", "must be a network that can be built here, and own is a class of yours", got=name, fix=fix)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        backbone, _ = build(backbone_name(name) if name in options("backbone") else name, "none")
    size = backbone.preprocessing["size"]
    end = f"after {_short(backbone.blocks[-1])}" if backbone.spec.layer else "before the classifier"
    how = f"features.tap=BLOCK ends the backbone after it, by default {end}; train_from=BLOCK of a phase trains from it on."
    columns = (Column(one, justify="right") for one in ("parameters", "output", "in fp16"))
    table = Table(Column("block", no_wrap=True), *columns, "train_from", title=f"{name}, an image of {size} px", caption=how)
    for block, count in backbone.sizes.items():
        shape = backbone.recording.calls[block].shape
        held = "–" if shape is None else f"{2 * prod(shape) / 1e3:,.1f} kB"
        begins = "after the cut" if block not in backbone.blocks else "yes" if backbone.can_begin_at(block) else "no"
        table.add_row(_short(block), f"{count:,}", "–" if shape is None else " × ".join(map(str, shape)), held, begins)
    return table


def _short(block: str) -> str:
    """The name of a block as a user types it."""
    from ajuste_fino.backbone.blocks import PREFIX

    return block.removeprefix(PREFIX)


def _origins() -> dict[str, list[str]]:
    """Whose the weights are, and their licence where that is known, with the short names of the backbones."""
    from ajuste_fino.backbone.catalogue import architecture

    found: dict[str, list[str]] = {}
    for name in options("backbone"):
        if name not in MADE_TO_MEASURE:
            found.setdefault(architecture(backbone_name(name), published=True).origin, []).append(name)
    return found
