"""A CNN that was trained elsewhere, cut where its features serve best."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from ajuste_fino.backbone.catalogue import Architecture, architecture
from ajuste_fino.backbone.cut import classifier_name, cut, last_map, resolve
from ajuste_fino.backbone.designed import DesignedNet
from ajuste_fino.backbone.weights import load_into, read
from ajuste_fino.errors import UserError


@dataclass(frozen=True)
class Cut:
    """What is needed to build the same backbone again.

    Architecture, block (None: the classifier's input), grid of the map; for the architectures `cnn` and `own` their
    design as well.
    """

    name: str
    tap: str | None
    pool: int
    design: dict[str, Any] | None = None


class Backbone(nn.Module):
    """(N, 3, H, W), normalised → (N, num_features).

    The map after the block `spec.tap` is averaged over a grid of `spec.pool` × `spec.pool` cells and flattened; where
    there is no map, the classifier's input serves. `preprocessing` says what the weights expect to see: the fields of
    `data.transforms.Preprocessing`.

    Raises:
        UserError: where the network cannot read images of that size.
    """

    def __init__(self, net: nn.Module, spec: Cut, preprocessing: Mapping[str, Any]) -> None:
        super().__init__()
        if spec.pool not in (1, 2, 4):
            raise UserError("features.pool", "must be 1, 2 or 4", got=spec.pool, fix="1 is the mean of the map.")
        self.net, self.spec, self.preprocessing = cut(net, spec.tap), spec, preprocessing
        self.num_features = self._probe(preprocessing["size"])

    def forward(self, x: Tensor) -> Tensor:
        features = self.net(x)["map"]
        if features.ndim == 4:
            features = adaptive_avg_pool2d(features, self.spec.pool)
        return features.flatten(1)

    @torch.inference_mode()
    def _probe(self, size: int) -> int:
        try:
            x = torch.zeros(1, 3, size, size)
            mapped = self.eval().net(x)["map"].ndim == 4
            if not mapped and (self.spec.tap or self.spec.pool > 1):
                fix = f"{self.spec.name} has none at its end: leave both out, or name a block of convolutions."
                raise UserError("features.tap and features.pool", "need a block that gives a map", got=self.spec.tap, fix=fix)
            return self(x).shape[1]
        except (AssertionError, RuntimeError) as error:
            fix = "Leave data.image_size out to take the size the weights were made for."
            if self.spec.design:
                fix = "Take a larger one, or fewer backbone.layers, or a smaller backbone.stride."
            raise UserError(f"data.image_size={size}", f"does not suit {self.spec.name} ({error})", fix=fix) from error


def build(
    name: str,
    weights: str = "pretrained",
    *,
    tap: str | None = None,
    pool: int | None = None,
    size: int | None = None,
    design: Mapping[str, Any] | None = None,
    trusted: Sequence[str] = (),
) -> tuple[Backbone, list[str]]:
    """A backbone with its weights, and a sentence for each thing in the weights that did not match.

    Args:
        name: `embedded`, a classification model of torchvision, `timm/<name>`, or `cnn`.
        weights: `pretrained`, `none` (random), or the path of a `.pth` or `.safetensors` file.
        tap: the block after which the network is cut; by default the architecture's.
        pool: the grid of the map, 1, 2 or 4; by default the architecture's.
        size: side of the images in px; by default that of the weights.
        design: of a `cnn`, the fields of `designed.Design`; of `own`, the class as `_target_` and its `arguments`.
        trusted: packages whose classes `own` may name.

    Raises:
        UserError: where there is no such network, block or file, or the file does not fit.
    """
    kind = architecture(name, published=weights == "pretrained", design=design, trusted=trusted)
    net = kind.build()
    notes = _fill(net, kind, weights)
    wanted = tap or kind.tap
    facts = net.design.facts() if isinstance(net, DesignedNet) else kind.design
    block = resolve(net, wanted) if wanted else None if name == "cnn" else last_map(net, kind.preprocessing["size"])
    return Backbone(net, Cut(name, block, pool or kind.pool, facts), kind.at(size).preprocessing), notes


def _fill(net: nn.Module, kind: Architecture, weights: str) -> list[str]:
    if weights == "none":
        said = f"{kind.name} has random weights (backbone.weights=none): its features know nothing yet"
        return [f"{said}; phases=scratch would train it."]
    if weights == "pretrained":
        load_into(net, kind.pretrained(), classifier_name(net), kind.name)
        return []
    return load_into(net, read(weights), classifier_name(net), weights)


def rebuild(spec: Cut, preprocessing: Mapping[str, Any], tensors: dict[str, Tensor], trusted: Sequence[str] = ()) -> Backbone:
    """The backbone of a bundle: the same cut of the same architecture, every tensor given."""
    net = architecture(spec.name, False, preprocessing["size"], spec.design, trusted).build()
    backbone = Backbone(net, spec, preprocessing)
    backbone.net.load_state_dict(tensors, strict=True)
    return backbone
