"""`list`: the names one can choose from."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from omegaconf import DictConfig
from rich.table import Column, Table

from ajuste_fino.console import screen
from ajuste_fino.runs.conf import backbone_name, conf_file, options
from ajuste_fino.verbs import VERBS

GROUPS = ("data", "augment", "head", "phases", "optimizer", "schedule")  # beside the backbones, which have a table of their own
MADE_TO_MEASURE = {"cnn": "none: your design", "own": "none: your class"}


def show(cfg: DictConfig, out: Path) -> None:
    """Print verbs, names and backbones."""
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
            block = (backbone.spec.layer or "–").removeprefix("features.")
            table.add_row(name, f"{count:,}", f"{backbone.num_features:,}", block, f"{size} px", here[name].result())
    return table


def _origins() -> dict[str, list[str]]:
    """Whose the weights are, and their licence where that is known, with the short names of the backbones."""
    from ajuste_fino.backbone.catalogue import architecture

    found: dict[str, list[str]] = {}
    for name in options("backbone"):
        if name not in MADE_TO_MEASURE:
            found.setdefault(architecture(backbone_name(name), published=True).origin, []).append(name)
    return found
