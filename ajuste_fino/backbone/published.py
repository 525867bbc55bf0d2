"""Weights that libraries publish: in their caches on this machine, or fetched into these; read as tensors only."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ajuste_fino.backbone.weight_file import NotWeights, tensors_of
from ajuste_fino.console import log
from ajuste_fino.errors import UserError
from ajuste_fino.escape import printable
from ajuste_fino.files import sha256

HASHED = re.compile(r"-([0-9a-f]{8,64})\.[^.]+$")  # how torch.hub, and whoever publishes for it, names files
HUB_NAMES = ("model.safetensors", "pytorch_model.bin")
WAY_OUT = "Pass backbone.weights=PATH to a file you have, or backbone=efficientnet_lite0, whose weights are installed."


@dataclass(frozen=True)
class PublishedFile:
    """A file that is or will be at `path`; `digits` are the first of its SHA-256 in hexadecimal, as far as published."""

    url: str
    path: Path
    digits: str
    mebibytes: float = 0.0
    missing = "not here"  # what `list` says where there is none

    @classmethod
    def of(cls, url: str, mebibytes: float = 0.0) -> "PublishedFile":
        """The file in torch's cache of what is published at an address."""
        name = url.rpartition("/")[2]
        hashed = HASHED.search(name)
        path = Path(torch.hub.get_dir()) / "checkpoints" / name
        return cls(url, path, hashed.group(1) if hashed else "", mebibytes)

    def is_there(self) -> bool:
        """Whether there is a file, of about the size that is published."""
        if not self.path.is_file():
            return False
        return not self.mebibytes or abs(self.path.stat().st_size / 2**20 - self.mebibytes) < 0.01

    def is_whole(self) -> bool:
        """Whether the file there is the one published: where its size is right, the whole of it is read."""
        try:
            return self.is_there() and sha256(self.path).startswith(self.digits)
        except OSError:  # whatever cannot be read is no file to train with
            return False


def torchvision_file(name: str) -> PublishedFile | None:
    """The file of a torchvision network's published weights; None: it has none."""
    from torchvision import models

    if name not in models.list_models(module=models):
        return None
    best = models.get_model_weights(name).DEFAULT
    return PublishedFile.of(best.url, best.meta.get("_file_size", 0.0))


def torchvision_tensors(name: str) -> dict[str, Tensor]:
    """The published weights of a torchvision network, from torch's cache or fetched into it.

    Raises:
        UserError: where they cannot be had, or the file in the cache is another one.
    """
    file = torchvision_file(name)
    assert file is not None, "only networks of torchvision come here"
    return _read(_fetched(file, name), name, file.digits)


def timm_tensors(short: str) -> dict[str, Tensor]:
    """The published weights of a timm network by its own names; timm only renames what was read here.

    Raises:
        UserError: where they cannot be had, or the file in the cache is another one.
    """
    import timm

    name = f"timm/{short}"
    path, digits = _timm_file(timm.get_pretrained_cfg(short, allow_unregistered=False), name)
    tensors = _read(path, name, digits)
    try:
        return timm.create_model(short, pretrained=True, pretrained_cfg_overlay={"state_dict": tensors}).state_dict()
    except (RuntimeError, KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
        raise _damaged(name, path, "holds the tensors of another network") from error


def _timm_file(config: Any, name: str) -> tuple[Path, str]:
    """The file that timm would read, fetched if need be, and the first digits of its SHA-256 where they are known."""
    if config is not None and config.file:
        return Path(config.file), ""
    if config is not None and config.hf_hub_id:
        path = _online(lambda: _from_hub(config.hf_hub_id, config.hf_hub_filename), name)
        blob = path.resolve().name  # in the hub's cache a large file is named by its SHA-256
        return path, blob if re.fullmatch("[0-9a-f]{64}", blob) else ""
    if config is not None and config.url:
        file = PublishedFile.of(config.url)
        return _fetched(file, name), file.digits
    fix = "Pass backbone.weights=none, or the path of weights of this network."
    raise UserError(f"backbone={name}", "has no published weights", fix=fix)


def _from_hub(repository: str, given: str | None) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    names = HUB_NAMES if given is None else (*([f"{given[:-4]}.safetensors"] if given.endswith(".bin") else []), given)
    repository, _, revision = repository.partition("@")
    for name in names[:-1]:
        try:
            return Path(hf_hub_download(repository, name, revision=revision or None))
        except EntryNotFoundError:
            continue  # an older repository, which has only the next
    return Path(hf_hub_download(repository, names[-1], revision=revision or None))


def _fetched(file: PublishedFile, name: str) -> Path:
    """The file's path, once it is there: whole, since it takes its name when the last byte has come and the hash is right."""

    def fetch() -> Path:
        file.path.parent.mkdir(parents=True, exist_ok=True)
        log.info(f"Fetching {file.url} to {file.path}")
        torch.hub.download_url_to_file(file.url, str(file.path), file.digits or None)
        return file.path

    return file.path if os.path.lexists(file.path) else _online(fetch, name)


def _online(load: Callable[[], Path], name: str) -> Path:
    try:
        return load()
    except (OSError, RuntimeError) as error:  # URLError is an OSError; torch.hub tells of a wrong hash by RuntimeError
        reason = printable(next(iter(str(error).splitlines()), type(error).__name__), most=200)
        rule = f"needs weights that are not on this machine and cannot be fetched ({reason})"
        raise UserError(f"backbone={name}", rule, fix=WAY_OUT) from error


def _read(path: Path, name: str, digits: str) -> dict[str, Tensor]:
    try:
        return tensors_of(path, digits)
    except NotWeights as error:
        raise _damaged(name, path, error.kind.what) from error


def _damaged(name: str, path: Path, what: str) -> UserError:
    fix = "To have it fetched again, delete it."
    return UserError(f"backbone={name}", f"needs {path.resolve()}, which {what}", fix=fix)
