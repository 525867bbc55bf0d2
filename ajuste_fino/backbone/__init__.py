"""A pretrained CNN that ends at the layer whose features serve best."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from ajuste_fino.backbone.blocks import PREFIX, Recording, block_names, classifier_name, last_map, probe, record, resolve
from ajuste_fino.backbone.catalogue import Architecture, architecture
from ajuste_fino.backbone.cut import Tail, Trunk, close, end_at, run
from ajuste_fino.backbone.designed import DesignedNet
from ajuste_fino.backbone.shares import block_of, shares_from
from ajuste_fino.backbone.weight_file import read
from ajuste_fino.backbone.weights import is_finite, load_into, load_tensors
from ajuste_fino.errors import UserError, nearest

GRIDS = (1, 2, 4)
UPPER_SHARE = 0.4  # of the backbone's operations, at most, that the blocks trained by train_from=upper do
ON = "trained on from those "  # before whose weights they were


@dataclass(frozen=True)
class BackboneSpec:
    """What is needed to build the same backbone again.

    Architecture, block after which it ends (None: the classifier's input), grid of the map; for the architectures `cnn` and
    `own` their design as well.
    """

    name: str
    layer: str | None
    pool: int
    design: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as bundles and the keys of cached features hold them."""
        return {"name": self.name, "tap": self.layer, "pool": self.pool, "design": self.design}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "BackboneSpec":
        return cls(values["name"], values["tap"], values["pool"], values["design"])


class Pool(nn.Module):
    """A map (N, C, H, W), or (N, H, W, C) as some transformers have it, averaged over grid × grid cells → (N, C · grid²).

    Whatever is no map is flattened. Maps of these networks are as high as wide, which tells the two layouts apart.
    """

    def __init__(self, grid: int) -> None:
        super().__init__()
        self.grid = grid

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim == 4:
            x = adaptive_avg_pool2d(channels_first(x), self.grid)
        return x.flatten(1)


def channels_first(x: Tensor) -> Tensor:
    """A map in either layout → (N, C, H, W)."""
    return x.permute(0, 3, 1, 2) if x.shape[1] == x.shape[2] != x.shape[3] else x


class Backbone(nn.Module):
    """(N, 3, H, W), normalised → (N, num_features).

    The output of the block `spec.layer` is pooled; where there is none, the classifier's input serves. `preprocessing` says
    what the weights expect to see: the fields of `data.transforms.Preprocessing`; `origin` whose weights they are, with their
    licence, empty where that is not known. `blocks` are those up to that layer, `maps` all blocks of the network that give a
    map, `sizes` the parameters of each of all its blocks.

    Raises:
        UserError: where the network cannot end at that layer, or the layer gives no map to pool.
    """

    def __init__(self, net: nn.Module, spec: BackboneSpec, preprocessing: Mapping[str, Any], recording: Recording) -> None:
        super().__init__()
        if spec.pool not in GRIDS:
            raise UserError("features.pool", "must be 1, 2 or 4", got=spec.pool, fix="Pass 1 for the mean of the map.")
        names = block_names(net, recording)
        self.blocks = [name for name in names if recording.calls[name].end <= recording.end(spec.layer)]
        self.maps = [name for name in names if len(recording.calls[name].shape or ()) == 3]  # of the whole network
        self.sizes = {name: sum(p.numel() for p in net.get_submodule(name).parameters()) for name in names}
        self.spec, self.preprocessing, self.recording = spec, preprocessing, recording
        own_end = spec.layer is None and hasattr(net, "reset_classifier")  # which need not be the classifier's input
        whole = None if own_end else recording.outputs.get(spec.layer or classifier_name(net))
        self.net, self.origin = end_at(net, spec.layer, recording), ""
        self.pool = Pool(spec.pool)
        self.num_features = self._num_features(whole)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(run(self.net, x))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the output for one image."""
        return (self.num_features,)

    def identity(self) -> dict[str, Any]:
        """Return which part of which network this is, as plain values."""
        return self.spec.to_dict()

    def adopt(self, tail: nn.Module | None) -> None:
        """Copy the trained tensors of a tail, where there is one, back into this backbone."""
        if tail is not None and self.origin:
            self.origin = f"{ON}{self.origin.removeprefix(ON)}"
        if tail is not None and tail is not self:
            self.net.load_state_dict(tail[0].net.state_dict(), strict=False)  # type: ignore[index]

    @torch.no_grad()
    def _num_features(self, whole: Tensor | None) -> int:
        """Count the features, after checking that the cut network gives the output of the whole network at that layer."""
        x = run(self.net, probe(self.recording.size))
        if x.ndim < 4 and (self.spec.layer or self.spec.pool > 1):
            fix = f"{self.spec.name} has none at its end: leave both out, or name a block of convolutions."
            raise UserError("features.tap and features.pool", "need a block that gives a map", got=self.spec.layer, fix=fix)
        if not x.is_meta and not is_finite(x):
            rule = "must give finite features, and those of a test image are NaN or infinite"
            raise UserError(f"The weights of {self.spec.name}", rule, fix="Some of them are too large: take others.")
        if whole is not None and not close(x, whole):
            fix = "Leave features.tap out, or name another block."
            raise UserError("features.tap", f"must be a block at which {self.spec.name} can end", got=self.spec.layer, fix=fix)
        return self.pool(x).shape[1]

    def split(self, train_from: str) -> "tuple[Backbone | Trunk | None, nn.Module | None]":
        """Divide the backbone into a trunk, which stays frozen, and a tail, which is trained with the head.

        Args:
            train_from: a block; `upper` for the last ones, which do at most `UPPER_SHARE` of the work; `head` for none of the
                backbone, `all` for the whole of it.

        Returns:
            The trunk, images → features or, where a tail follows, the output of a block; the tail, which goes on from there
            to the features. They share the backbone's tensors. None: there is no such part.

        Raises:
            UserError: where there is no such block, or the network cannot be divided before it.
        """
        if train_from in ("head", "all"):
            return (self, None) if train_from == "head" else (None, self)
        first = self.first_trained(train_from)
        return (None, self) if first == 0 else self._divide(self.blocks[first - 1], train_from)

    def first_trained(self, train_from: str) -> int:
        """Return the number of the block that `train_from` names; of `head`, how many blocks there are.

        Raises:
            UserError: where there is no such block.
        """
        if train_from in ("head", "all"):
            return len(self.blocks) if train_from == "head" else 0
        if train_from == "upper":
            shares = shares_from(self.net, self.blocks, self.recording.size)
            small = [number for number, share in enumerate(shares) if share <= UPPER_SHARE] or [len(shares) - 1]
            same = [number for number in small if shares[number] == shares[small[0]]]  # before a block that computes nothing
            return same[-1]
        short = [name.removeprefix(PREFIX) for name in self.blocks]
        if train_from.removeprefix(PREFIX) not in short:
            fix = nearest(train_from, ["head", "upper", "all", *short])
            raise UserError("train_from", "must be head, upper, all or a block of the backbone", got=train_from, fix=fix)
        return short.index(train_from.removeprefix(PREFIX))

    def trained_blocks(self, train_from: str) -> list[list[nn.Parameter]]:
        """Return the parameters that `train_from` trains, by block, those of the last block first."""
        first, named = self.first_trained(train_from), list(self.net.named_parameters())
        numbers = [block_of(name, self.blocks, self.recording) for name, _ in named]
        by_block = [
            [parameter for (_, parameter), n in zip(named, numbers, strict=True) if n == number]
            for number in reversed(range(first, len(self.blocks)))
        ]
        return [block for block in by_block if block]

    def can_begin_at(self, train_from: str) -> bool:
        """Whether it can be divided before a block."""
        try:
            self.split(train_from)
        except UserError:
            return False
        return True

    @torch.no_grad()
    def _divide(self, last: str, train_from: str) -> tuple[Trunk, nn.Module]:
        """Divide the network after a block, and check that both parts together give what the whole gives."""
        trunk = Trunk(self.net, last, self.recording, self.identity())
        tail = nn.Sequential(Tail(self.net, last, self.recording), self.pool)
        x = probe(self.recording.size)
        try:
            same, reason = close(tail(trunk(x)), self(x)), "other features"
        except (RuntimeError, TypeError, AttributeError, ValueError, IndexError) as error:  # whatever its code runs into
            same, reason = False, str(error)
        if not same:
            rule = f"must be a block before which {self.spec.name} can be divided ({reason})"
            raise UserError("train_from", rule, got=train_from, fix="Begin at another block, or pass all.")
        return trunk, tail


def build(
    name: str,
    weights: str = "pretrained",
    *,
    layer: str | None = None,
    pool: int | None = None,
    size: int | None = None,
    design: Mapping[str, Any] | None = None,
    trusted: Sequence[str] = (),
) -> tuple[Backbone, list[str]]:
    """Build a backbone with its weights; also return a sentence for each thing in the weights that did not match.

    Args:
        name: `embedded`, a classification model of torchvision, `timm/<name>`, or `cnn`.
        weights: `pretrained`, `none` (random), or the path of a `.pth` or `.safetensors` file.
        layer: the block after which the network ends; by default the architecture's.
        pool: the grid of the map, 1, 2 or 4; by default the architecture's.
        size: side of the images in px; by default that of the weights.
        design: of a `cnn`, the fields of `designed.Design`; of `own`, the class as `_target_` and its `arguments`.
        trusted: packages whose classes `own` may name.

    Raises:
        UserError: where there is no such network, block or file, or the file does not fit.
    """
    source = architecture(name, published=weights == "pretrained", design=design, trusted=trusted)
    net = source.build()
    notes = _fill(net, source, weights)
    preprocessing = source.at(size).preprocessing
    wanted = layer or source.layer
    layer = resolve(net, wanted) if wanted else None
    recording = record_blocks(net, name, preprocessing["size"], layer, bool(design))
    layer = layer or (None if name == "cnn" else last_map(net, recording))
    metadata = net.design.metadata() if isinstance(net, DesignedNet) else source.design
    backbone = Backbone(net, BackboneSpec(name, layer, pool or source.pool, metadata), preprocessing, recording)
    backbone.origin = source.origin if weights == "pretrained" else ""
    return backbone, notes


def record_blocks(net: nn.Module, name: str, size: int, layer: str | None, designed: bool) -> Recording:
    """`record`, where the side of the images in px and the layer are a user's.

    Raises:
        UserError: where the network cannot be run at that size, or the layer gives no tensor.
    """
    try:
        recording = record(net, size, layer)
    except (AssertionError, RuntimeError) as error:
        fix = "Leave data.image_size out to take the size the weights were made for."
        if designed:
            fix = "Take a larger one, or fewer backbone.layers, or a smaller backbone.stride."
        raise UserError(f"data.image_size={size}", f"does not suit {name} ({error})", fix=fix) from error
    if layer is not None and layer not in recording.outputs:
        fix = f"Blocks that do: {', '.join(block_names(net, recording))}."
        raise UserError("features.tap", "must be a block that gives a tensor", got=layer, fix=fix)
    return recording


def _fill(net: nn.Module, source: Architecture, weights: str) -> list[str]:
    if weights == "none":
        note = f"{source.name} has random weights (backbone.weights=none): its features know nothing yet"
        return [f"{note}; phases=scratch would train it."]
    if weights == "pretrained":
        load_into(net, source.pretrained(), classifier_name(net), f"backbone={source.name}")
        return []
    return load_into(net, read(weights), classifier_name(net), f"backbone.weights={weights}")


def rebuild(
    spec: BackboneSpec, preprocessing: Mapping[str, Any], tensors: dict[str, Tensor], trusted: Sequence[str] = ()
) -> Backbone:
    """Build the backbone of a bundle: the same architecture up to the same layer, with the tensors given."""
    net = architecture(spec.name, False, preprocessing["size"], spec.design, trusted).build()
    backbone = Backbone(net, spec, preprocessing, record(net, preprocessing["size"], spec.layer))
    there = {name: tensor for name, tensor in tensors.items() if not name.startswith("_tensor_constant")}  # of release 0.1
    load_tensors(backbone.net, there, strict=True)
    return backbone
