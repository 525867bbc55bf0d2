"""Where a network is cut: the blocks that give a map, and the part of the network up to one of them."""

import warnings
from collections.abc import Iterator

import torch
from torch import Tensor, fx, nn
from torchvision.models.feature_extraction import create_feature_extractor

from ajuste_fino.errors import UserError, nearest

CLASSIFIERS = ("fc", "classifier", "head", "heads")
POOLS = ("avgpool", "global_pool", "flatten", "dropout", "head_drop")


def classifier_name(net: nn.Module) -> str:
    """The name of the last part of a network, the one a new head replaces."""
    names = [name for name, _ in net.named_children()]
    return next((name for name in names if name in CLASSIFIERS), names[-1])


def _blocks(net: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, child in net.named_children():
        if isinstance(child, nn.ModuleList):
            yield from ((f"{name}.{inner}", block) for inner, block in child.named_children())
        elif name not in POOLS + CLASSIFIERS and "aux" not in name.lower():
            yield name, child


def last_map(net: nn.Module, size: int) -> str | None:
    """The name of the block that gives the last map (N, C, H, W) before pooling and classifier; None in a transformer."""
    shapes: list[tuple[str, int]] = []
    hooks = [
        block.register_forward_hook(lambda _m, _i, out, name=name: shapes.append((name, out.ndim)))
        for name, block in _blocks(net)
    ]
    with torch.inference_mode():
        net.eval()(torch.zeros(1, 3, size, size))
    for hook in hooks:
        hook.remove()
    name, dimensions = shapes[-1]
    return name if dimensions == 4 else None


def resolve(net: nn.Module, tap: str) -> str:
    """The full name of a block: `block2` is found as `features.block2`.

    Raises:
        UserError: where no block has that name.
    """
    names = [name for name, _ in net.named_modules() if name]
    for name in (tap, f"features.{tap}"):
        if name in names and not name.startswith(classifier_name(net)):
            return name
    blocks = [name.removeprefix("features.") for name in names if name.count(".") <= 1 and not name.startswith(CLASSIFIERS)]
    raise UserError("features.tap", "must name a block of the backbone", got=tap, fix=nearest(tap, blocks))


def _as_map(_module: nn.Module, _inputs: object, output: Tensor) -> dict[str, Tensor]:
    return {"map": output}


def cut(net: nn.Module, tap: str | None) -> nn.Module:
    """The part of `net` up to the block `tap`: (N, 3, H, W) → {"map": (N, C, h, w)}; names of tensors stay.

    With `tap` None, all of it but the classifier: → {"map": (N, D)}.
    """
    if tap is None:
        setattr(net, classifier_name(net), nn.Identity())
        net.register_forward_hook(_as_map)
        return net.eval()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="NOTE: The nodes obtained by tracing")  # the tap is in both modes
        extractor: fx.GraphModule = create_feature_extractor(net.eval(), {tap: "map"})
    return extractor.eval()
