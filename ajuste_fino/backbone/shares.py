"""Which block does which share of a network's work, and to which block a parameter belongs."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ajuste_fino.backbone.blocks import Recording, probe
from ajuste_fino.backbone.cut import run


@torch.no_grad()
def shares_from(net: nn.Module, blocks: Sequence[str], size: int) -> list[float]:
    """For each block, the share of the network's floating-point operations that it and the blocks after it do."""
    before = list[int]()
    with FlopCounterMode(display=False) as counter:
        hooks = [
            net.get_submodule(block).register_forward_pre_hook(lambda *_: before.append(counter.get_total_flops()))
            for block in blocks
        ]
        try:
            run(net, probe(size))
        finally:
            for hook in hooks:
                hook.remove()
    total = max(counter.get_total_flops(), 1)
    return [1 - done / total for done in before]


def block_of(parameter: str, blocks: Sequence[str], recording: Recording) -> int:
    """Return the number of the block that a parameter belongs to; of one between two blocks, that of the one before.

    Parameters of the network itself, as the position embedding of a transformer, belong to the first.
    """
    owner = parameter.rpartition(".")[0]
    while owner and owner not in recording.calls:
        owner = owner.rpartition(".")[0]
    begun = recording.calls[owner].start if owner else -1
    return max(sum(recording.calls[block].start <= begun for block in blocks) - 1, 0)
