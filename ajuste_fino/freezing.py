"""Frozen means frozen: `eval()` held, no gradients, and a hash of every parameter and buffer to prove it."""

from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn

from ajuste_fino.backbone import Backbone
from ajuste_fino.backbone.cut import Trunk
from ajuste_fino.backbone.weights import digest
from ajuste_fino.errors import AjusteFinoError


class Compiled(Protocol):
    """What was compiled of a frozen module: pixels → features."""

    precision: str

    def __call__(self, pixels: Tensor) -> Tensor: ...

    def verify(self) -> None:
        """Raises AjusteFinoError where it gives other features than when it was made."""
        ...


class Frozen(nn.Module):
    """A module that no call of `train()` wakes: its BatchNorm statistics stay, its dropout is off, no gradient is kept.

    Whoever trains a model calls `model.train()`, which reaches every part of it; setting `requires_grad` alone leaves
    BatchNorm's running averages moving with each batch. `graph` is what was compiled of it, if anything was.
    """

    shape: tuple[int, ...]

    def __init__(self, module: Backbone | Trunk) -> None:
        super().__init__()
        self.module = module
        module.requires_grad_(False).eval()
        self.shape, self.identity = module.shape or (), module.identity
        self.before = digest(module)
        self.graph: Compiled | None = None

    def __getstate__(self) -> dict[str, Any]:
        """What a copy has: a graph is made again."""
        return {**self.__dict__, "graph": None}

    def train(self, mode: bool = True) -> Self:
        return super().train(False)

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        return self.module(x)

    def verify_frozen(self) -> str:
        """The SHA-256 of all parameters and buffers, the same as when it was frozen; a graph still gives the same features.

        Raises:
            AjusteFinoError: when a single bit of them changed.
        """
        after = digest(self.module)
        if after != self.before:
            hashes = f"SHA-256 {self.before[:16]}… before, {after[:16]}… after"
            raise AjusteFinoError(
                f"The frozen backbone changed during the run: {hashes}. "
                "Do not trust this run; some code wrote into the backbone's parameters or buffers."
            )
        if self.graph is not None:
            self.graph.verify()
        return after
