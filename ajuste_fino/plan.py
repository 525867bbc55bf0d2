"""What each phase of a training has: its body, what of it is trained, in which groups, at which rates."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from torch import nn
from torch.optim import Optimizer

from ajuste_fino.freezing import Frozen
from ajuste_fino.phases import Moment, Phases
from ajuste_fino.rates import Rates, Settings

Make = Callable[..., Any]


class Plan:
    """The phases of a training, with the modules and the factories that they need.

    Args:
        bodies: of each phase, what comes before the head; None: nothing does. They share their tensors.
        blocks: the backbone's parameters that the last phase trains, by block, those of the last block first. A phase trains
            the first `counts[n]` of them.
        optimizer: groups of parameters → optimizer.
        schedules: of each phase, optimizer → schedule.
        lr_decay: the learning rate of a block, as a share of that of the block behind it.
        batchnorm_frozen: whether trained blocks keep BatchNorm's statistics as they came.
        frozen: of each phase, the part of the backbone that is not trained.
    """

    def __init__(
        self,
        phases: Phases,
        bodies: Sequence[nn.Module | None],
        blocks: Sequence[Sequence[nn.Parameter]],
        counts: Sequence[int],
        optimizer: Make,
        schedules: Sequence[Make],
        lr_decay: float = 1.0,
        batchnorm_frozen: bool = True,
        frozen: Sequence[Frozen | None] = (),
    ) -> None:
        self.phases, self.bodies, self.blocks, self.counts = phases, bodies, blocks, counts
        self.frozen, self.proofs = frozen or [None] * len(phases), dict[int, str]()
        self.make, self.batchnorm_frozen, self.lr_decay = optimizer, batchnorm_frozen, lr_decay
        self.rates = [Rates(optimizer, make, self._lrs(n), phases.lengths[n]) for n, make in enumerate(schedules)]

    def _lrs(self, number: int) -> list[Callable[[float], float]]:
        """For each group, the optimizer's learning rate → the group's in a phase."""
        return [partial(_lr, self.phases[number].lr, share) for share in self.shares(number)]

    def shares(self, number: int) -> list[float]:
        """Return the learning rate of each group in a phase, as a share of the head's, which is the first."""
        mult = self.phases[number].backbone_lr_mult
        return [1.0, *(mult * self.lr_decay**depth for depth in range(len(self.blocks)))]

    def optimizer(self, head: nn.Module) -> Optimizer:
        """Make the optimizer of all phases: a group for the head, and one for each block that any of them trains."""
        optimizer: Optimizer = self.make([{"params": list(part)} for part in (head.parameters(), *self.blocks)])
        return optimizer

    def trained(self, number: int) -> list[nn.Parameter]:
        """Return the backbone's parameters that a phase trains; of -1, those of the last."""
        return [parameter for block in self.blocks[: self.counts[number]] for parameter in block]

    def settings(self, moment: Moment, share: float) -> Settings:
        """Return what each group is trained with, in an epoch of a phase after a share of its steps."""
        return self.rates[moment.phase].at(moment.epoch, share)

    def frozen_hashes(self) -> list[str | None]:
        """Return the SHA-256 of what each phase does not train, as it was when it was frozen."""
        return [None if frozen is None else frozen.before for frozen in self.frozen]

    def verify(self, number: int) -> None:
        """Prove that what a phase does not train is as it was before; keep its SHA-256 in `proofs`.

        Raises:
            AjusteFinoError: where a bit of it has changed.
        """
        frozen = self.frozen[number]
        if frozen is not None:
            self.proofs[number] = frozen.verify_frozen()


def _lr(given: float | None, share: float, default: float) -> float:
    return share * (default if given is None else given)


def share_buffers(bodies: Sequence[nn.Module]) -> None:
    """Let bodies have the same buffers again, which a move to another device has copied; parameters are moved in place.

    The name of a tensor within its network, behind `net.`, is the same in all of them.
    """
    shared: dict[str, Any] = {}
    for body in bodies:
        for prefix, module in body.named_modules():
            for name, buffer in module._buffers.items():
                if buffer is not None and (inside := f"{prefix}.{name}".partition("net.")[2]):
                    module._buffers[name] = shared.setdefault(inside, buffer)
