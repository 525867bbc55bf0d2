"""Bagging: many heads, each trained on its own bootstrap sample of the same features, all at once.

Source: the lecture's algorithm 1; Breiman, "Bagging Predictors", *Machine Learning* 24, 1996; Goodfellow, Bengio and
Courville, *Deep Learning*, 2016, section 7.11.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn.functional import cross_entropy

from ajuste_fino.head import Head, HeadShape, Standardise

Epochs = Iterable[Iterable[tuple[Tensor, Tensor, Tensor]]]


class Ensemble(nn.Module):
    """(N, D) → (N, C): the logarithm of the members' mean probability, which softmax takes back to that mean.

    So it stands wherever a head does. The members' weights are stacked, (T, …) each; what stands before them, the
    standardisation, is shared.
    """

    def __init__(self, shape: HeadShape, members: int) -> None:
        super().__init__()
        self.shape, self.members = shape, members
        self.standardise = Standardise(shape.num_features)
        heads = [Head(replace(shape, impl="torch")).layers for _ in range(members)]  # what they compute is the same
        weights, _ = stack_module_state(heads)
        self.weights = nn.ParameterList(weights.values())
        self._one = (heads[0].to("meta"),)  # in a tuple: its own weights are none of this module's

    @torch.no_grad()
    def set_prior(self, shares: Tensor) -> None:
        """As `Head.set_prior`, for each member."""
        self.weights[-1].copy_(shares.log())
        if not self.shape.hidden:
            self.weights[-2].zero_()

    def forward(self, x: Tensor) -> Tensor:
        return self.logits(x).log_softmax(2).logsumexp(0) - math.log(self.members)

    def logits(self, x: Tensor) -> Tensor:
        """(N, D) → (T, N, C), each member's. In training all members see the same of dropout's masks at a step."""
        dropout, _, *rest = self._one[0].train(self.training)
        weight, bias, *others = self.weights
        # All members' first layers read the same features: one product of matrices, where vmap would do T thin ones
        first = dropout(self.standardise(x)) @ weight.flatten(0, 1).mT
        z = first.unflatten(1, weight.shape[:2]).transpose(0, 1) + bias[:, None]
        after = nn.Sequential(*rest)
        names = [name for name, _ in after.named_parameters()]
        return vmap(lambda w, z: functional_call(after, w, (z,)), randomness="same")(dict(zip(names, others, strict=True)), z)


def bootstrap(members: int, count: int, seed: int) -> Tensor:
    """(T, N): how often each member's sample, drawn with replacement, holds each example. About 37 % are 0."""
    drawn = torch.randint(count, (members, count), generator=torch.Generator().manual_seed(seed))
    return torch.zeros(members, count).scatter_add_(1, drawn, torch.ones(members, count))


def fit(ensemble: Ensemble, epochs: Epochs, counts: Tensor, optimizer: torch.optim.Optimizer, after: Callable[[], Any]) -> None:
    """Train all members; member t's loss weighs example n by how often its sample holds it.

    Args:
        epochs: of each epoch its batches: features (B, D), classes (B,), positions (B,) in the columns of `counts`.
        optimizer: of `ensemble.parameters()`; it must treat each element by itself, as all from SGD to Adam do.
        after: called at the end of each epoch, for a schedule.
    """
    ensemble.train()
    device = next(ensemble.parameters()).device
    for batches in epochs:
        for x, y, positions in batches:
            x, y, weights = (tensor.to(device) for tensor in (x, y, counts[:, positions]))
            logits = ensemble.logits(x)  # (T, B, C)
            losses = cross_entropy(logits.flatten(0, 1), y.repeat(ensemble.members), reduction="none")
            weighted = losses.view(ensemble.members, -1) * weights
            optimizer.zero_grad()
            weighted.mean(1).sum().backward()  # the members share no weight, so the sum's gradient is each one's own
            optimizer.step()
        after()
    ensemble.eval()


@torch.inference_mode()
def out_of_bag(logits: Tensor, counts: Tensor) -> Tensor:
    """(T, N, C) logits of the training examples → (N,) the class by the members that never saw it; −1 where all did."""
    unseen = (counts == 0).to(logits.dtype)[..., None]
    mean = (logits.softmax(2) * unseen).sum(0)
    return torch.where(unseen.sum((0, 2)) > 0, mean.argmax(1), -1)


@torch.inference_mode()
def disagreement(logits: Tensor) -> Tensor:
    """(T, N, C) → (N,): the share of members that vote for another class than the most voted. 0: all agree."""
    votes = nn.functional.one_hot(logits.argmax(2), logits.shape[2]).sum(0)
    return 1 - votes.amax(1) / len(logits)


@torch.inference_mode()
def majority(logits: Tensor) -> Tensor:
    """(T, N, C) → (N,): the lecture's combination, one vote a member."""
    return nn.functional.one_hot(logits.argmax(2), logits.shape[2]).sum(0).argmax(1)
