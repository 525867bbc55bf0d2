"""Run the first or the second part of a network: its own `forward` is stopped after a block, or begun after it."""

import copy
from collections.abc import Callable
from typing import Any, NoReturn

from torch import Tensor, nn

from ajuste_fino.backbone.blocks import Recording, classifier_name

RTOL = 1e-4  # of the largest value; between the output of a whole network and that of its parts


class _Stop(Exception):
    """Carries the output of the last block out of the network's `forward`."""

    def __init__(self, output: Tensor) -> None:
        super().__init__()
        self.output = output


def _stop(_module: nn.Module, _inputs: object, output: Tensor) -> NoReturn:
    raise _Stop(output)


def run(net: nn.Module, x: Tensor) -> Tensor:
    """Return the output of a network, or of the block at which `end_at` ended it."""
    try:
        output: Tensor = net(x)
    except _Stop as stop:
        return stop.output
    return output


def close(part: Tensor, whole: Tensor) -> bool:
    """Return whether two outputs are equal up to rounding; on the device `meta`, only their shapes are compared."""
    if part.shape != whole.shape or part.is_meta:
        return part.shape == whole.shape
    return bool((part - whole).abs().max() <= RTOL * whole.abs().max())


def end_at(net: nn.Module, layer: str | None, recording: Recording) -> nn.Module:
    """Change `net` so that `run` gives the output of `layer`: later modules are removed, the names of tensors stay.

    With `layer` None all of it stays but the classifier, whose input is then the output.
    """
    if layer is None:
        if callable(reset := getattr(net, "reset_classifier", None)):
            reset(0)  # timm's own way, which also knows networks with two classifiers
        else:
            setattr(net, classifier_name(net), nn.Identity())
        return net.eval()
    moment = recording.end(layer)
    net.get_submodule(layer).register_forward_hook(_stop)
    _replace(net, "", lambda name, part: {"before": part, "after": nn.Identity()}.get(_when(name, part, recording, moment)))
    return net.eval()


def _when(name: str, part: nn.Module, recording: Recording, moment: float) -> str:
    """Return whether a part runs before a moment, after it (or never), or is still running then."""
    if name in recording.calls:
        call = recording.calls[name]
        return "before" if call.end <= moment else "after" if call.start > moment else "during"
    runs = any(f"{name}.{inner}" in recording.calls for inner, _ in part.named_modules())
    return "during" if runs else "after"


def _replace(module: nn.Module, prefix: str, choose: Callable[[str, nn.Module], nn.Module | None]) -> None:
    """Replace each part of a module by what `choose` returns; where that is None, replace the parts of that part."""
    for name, part in list(module.named_children()):
        chosen = choose(f"{prefix}{name}", part)
        if chosen is None:
            _replace(part, f"{prefix}{name}.", choose)
        elif chosen is not part:
            setattr(module, name, chosen)


def _shared_copy(net: nn.Module) -> nn.Module:
    """Copy the modules of `net`, but share its tensors."""
    return copy.deepcopy(net, {id(tensor): tensor for tensor in (*net.parameters(), *net.buffers())})


class Trunk(nn.Module):
    """The first part of a network, which shares its tensors: (N, 3, H, W) → (N, *shape), the output of its last block."""

    shape: tuple[int, ...] | None

    def __init__(self, net: nn.Module, last: str, recording: Recording, whole: dict[str, Any]) -> None:
        super().__init__()
        self.net, self.last, self.whole = end_at(_shared_copy(net), last, recording), last, whole
        self.shape = recording.calls[last].shape

    def identity(self) -> dict[str, Any]:
        """Return which part of which network this is, as plain values."""
        return {**self.whole, "trunk": self.last}

    def forward(self, x: Tensor) -> Tensor:
        return run(self.net, x)


class Tail(nn.Module):
    """The second part of a network, which shares its tensors: the output of a block → the output of the network.

    The blocks before are replaced by constants of the shape of their outputs, so that the network's own `forward` runs on
    without them; the last of them gives the input of the tail.
    """

    def __init__(self, net: nn.Module, last: str, recording: Recording) -> None:
        super().__init__()
        self.net, self.size, self.inputs = _shared_copy(net), recording.size, list[Tensor]()
        moment = recording.end(last)

        def choose(name: str, part: nn.Module) -> nn.Module | None:
            when = _when(name, part, recording, moment)
            if when == "before":
                return _Placeholder(self.inputs, None if name == last else recording.calls[name].shape)
            return part if when == "after" else None

        _replace(self.net, "", choose)

    def forward(self, x: Tensor) -> Tensor:
        self.inputs[:] = [x]
        try:
            return run(self.net, x.new_zeros(()).expand(len(x), 3, self.size, self.size))
        finally:
            self.inputs.clear()


class _Placeholder(nn.Module):
    """Replaces a block that does not run: returns zeros of the shape of its output, or the input of the tail."""

    def __init__(self, inputs: list[Tensor], shape: tuple[int, ...] | None) -> None:
        super().__init__()
        self.inputs, self.shape = inputs, shape

    def forward(self, *_: object, **__: object) -> Tensor:
        x = self.inputs[0]
        return x if self.shape is None else x.new_zeros(()).expand(len(x), *self.shape)
