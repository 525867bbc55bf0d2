"""Where else a backbone could end: the outputs of several blocks, pooled to several grids, in one pass."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ajuste_fino.backbone import GRIDS, Backbone, Pool
from ajuste_fino.backbone.blocks import Recording
from ajuste_fino.backbone.cut import run

LAST = 3  # blocks whose maps are tried


class Cut(NamedTuple):
    """A block after which a backbone may end (None: the classifier's input), and the grid to which its map is averaged."""

    layer: str | None
    pool: int


def layers_to_try(backbone: Backbone) -> list[str | None]:
    """Its own layer, the last three blocks that give a map, and the last block before them whose map is larger.

    A backbone that reads the classifier's input, as transformers do, has no other place that is likely to be better.
    """
    default, recording = backbone.spec.layer, backbone.recording
    if default is None:
        return [None]
    inside = [name for name in backbone.maps if name.startswith(f"{default}.")]  # the last of them ends where it ends
    maps = [name for name in backbone.maps if name not in inside[-1:] and name != default]
    maps = sorted([*maps, default], key=recording.end)
    larger = [name for name, after in pairwise(maps[: 1 - LAST]) if _side(recording, name) > _side(recording, after)]
    return sorted({default, *maps[-LAST:], *larger[-1:]}, key=recording.end)


def _side(recording: Recording, name: str) -> int:
    """Of a map in px; the middle number of its shape is one, whether channels come first or last."""
    shape = recording.calls[name].shape or (0, 0)
    return shape[1]


class Taps(nn.Module):
    """(N, 3, H, W), normalised → (N, ΣD): the features of every cut, side by side, from one pass.

    `columns` says where each cut's are.

    Args:
        backbone: ends at the last of the layers; it is not changed.
        layers: in the order in which they run.
        default: a cut whose features are wanted in any case.
    """

    def __init__(self, backbone: Backbone, layers: Sequence[str | None], default: Cut) -> None:
        super().__init__()
        self.backbone, self.layers = backbone, layers
        grids = GRIDS if layers[-1] is not None else (default.pool,)
        self.cuts = [Cut(layer, grid) for layer in layers for grid in grids]
        self.pools = {grid: Pool(grid) for grid in grids}
        self.columns: dict[Cut, slice] = {}

    def forward(self, x: Tensor) -> Tensor:
        found: dict[Cut, Tensor] = {}
        modules = [(name, self.backbone.net.get_submodule(name)) for name in self.layers[:-1] if name is not None]
        hooks = [module.register_forward_hook(self._pooling(name, found)) for name, module in modules]
        try:
            last = run(self.backbone.net, x)
        finally:
            for hook in hooks:
                hook.remove()
        self._pool(self.layers[-1], found, last)
        parts = [found[cut] for cut in self.cuts]
        ends = torch.tensor([0, *(part.shape[1] for part in parts)]).cumsum(0).tolist()
        self.columns = {cut: slice(*ends[n : n + 2]) for n, cut in enumerate(self.cuts)}
        return torch.cat(parts, 1)

    def _pool(self, layer: str | None, found: dict[Cut, Tensor], output: Tensor) -> None:
        found.update({Cut(layer, grid): pool(output) for grid, pool in self.pools.items()})

    def _pooling(self, layer: str, found: dict[Cut, Tensor]) -> Callable[..., None]:
        """Pools at once, since what follows may work in place."""

        def hook(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            self._pool(layer, found, output)

        return hook
