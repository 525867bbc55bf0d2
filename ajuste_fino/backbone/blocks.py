"""Find the blocks of a network by recording one forward pass."""

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import inf
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ajuste_fino.errors import UserError, nearest

CLASSIFIERS = ("fc", "classifier", "head", "heads")
POOLS = ("avgpool", "global_pool", "flatten", "dropout", "head_drop")
PREFIX = "features."  # of torchvision's names for what comes before the classifier; a user may leave it out


class ModuleCall(NamedTuple):
    """When a module began and ended in a pass, and the shape of its output for one image (None: not a tensor)."""

    start: int
    end: int
    shape: tuple[int, ...] | None


@dataclass
class Recording:
    """A recorded pass of `probe(size)` through a network: the call of each module by name, ordered by its start.

    `outputs` are those of the direct parts of the network and of the layers that were asked for; under the classifier's name
    there is its input.
    """

    size: int
    calls: dict[str, ModuleCall] = field(default_factory=dict)
    outputs: dict[str, Tensor] = field(default_factory=dict)

    def end(self, layer: str | None) -> float:
        """When a layer ended; None: when everything had."""
        return inf if layer is None else self.calls[layer].end


def probe(size: int) -> Tensor:
    """Return (1, 3, size, size): an image of waves, the same on every machine; no random generator is used."""
    return torch.arange(3 * size * size, dtype=torch.float32).sin().view(1, 3, size, size)


@torch.no_grad()
def record(net: nn.Module, size: int, layer: str | None = None) -> Recording:
    """Pass one image through a network and record what runs; the output of `layer` is kept."""
    recording, clock, began = Recording(size), itertools.count(), dict[str, int]()
    classifier, wanted = classifier_name(net), {layer, *(name for name, _ in _parts(net))}

    def before(name: str) -> Callable[..., None]:
        def note(_module: nn.Module, inputs: tuple[Any, ...]) -> None:
            began.setdefault(name, next(clock))
            if name == classifier and inputs and isinstance(inputs[0], Tensor):
                recording.outputs[name] = inputs[0].clone()

        return note

    def after(name: str) -> Callable[..., None]:
        def note(_module: nn.Module, _inputs: object, output: object) -> None:
            shape = tuple(output.shape[1:]) if isinstance(output, Tensor) else None
            recording.calls[name] = ModuleCall(began[name], next(clock), shape)
            if isinstance(output, Tensor) and name in wanted and name != classifier:
                recording.outputs[name] = output.clone()  # what follows may work in place

        return note

    hooks = []
    for name, module in net.named_modules():
        hooks += [module.register_forward_pre_hook(before(name)), module.register_forward_hook(after(name))] if name else []
    try:
        net.eval()(probe(size))
    finally:
        for hook in hooks:
            hook.remove()
    recording.calls = dict(sorted(recording.calls.items(), key=lambda item: item[1].start))
    return recording


def classifier_name(net: nn.Module) -> str:
    """The name of the last part of a network, the one that a new head replaces."""
    names = [name for name, _ in net.named_children()]
    return next((name for name in names if name in CLASSIFIERS), names[-1])


def _parts(net: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The direct children of a network before pooling and classifier; a ModuleList is replaced by its items."""
    for name, child in net.named_children():
        if isinstance(child, nn.ModuleList):
            yield from ((f"{name}.{inner}", block) for inner, block in child.named_children())
        elif name not in POOLS + CLASSIFIERS and "aux" not in name.lower():
            yield name, child


def last_map(net: nn.Module, recording: Recording) -> str | None:
    """Return the name of the part that gives the last map (N, C, H, W), or None if the last part gives no map."""
    names = [name for name, _ in _parts(net) if name in recording.calls]
    last = max(names, key=lambda name: recording.calls[name].end, default=None)
    shape = recording.calls[last].shape if last else None
    return last if shape is not None and len(shape) == 3 else None


def block_names(net: nn.Module, recording: Recording) -> list[str]:
    """Return the names of a network's blocks in the order in which they run.

    A block is a direct part of the network. A part without a number that holds a sequence (`features`, `stages`, `encoder`)
    stands for the parts of it.
    """
    names = (inner for name, part in _parts(net) for inner in _unfold(name, part))
    return sorted((name for name in names if name in recording.calls), key=lambda name: recording.calls[name].start)


def _unfold(name: str, part: nn.Module) -> Iterator[str]:
    inner = dict(part.named_children())
    sequences = isinstance(part, nn.Sequential) or any(isinstance(c, nn.Sequential | nn.ModuleList) for c in inner.values())
    if not sequences or re.search(r"\d|stem|conv|norm|embed", name.rpartition(".")[2]):
        yield name
    else:
        yield from (each for child, block in inner.items() for each in _unfold(f"{name}.{child}", block))


def resolve(net: nn.Module, layer: str) -> str:
    """Return the full name of a block: `block2` is found as `features.block2`.

    Raises:
        UserError: where no block has that name.
    """
    names = [name for name, _ in net.named_modules() if name]
    for name in (layer, f"{PREFIX}{layer}"):
        if name in names and not name.startswith(classifier_name(net)):
            return name
    known = [name.removeprefix(PREFIX) for name in names if name.count(".") <= 1 and not name.startswith(CLASSIFIERS)]
    raise UserError("features.tap", "must name a block of the backbone", got=layer, fix=nearest(layer, known))
