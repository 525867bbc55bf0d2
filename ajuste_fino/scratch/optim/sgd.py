"""Stochastic gradient descent: plain, with momentum, with Nesterov's momentum."""

from typing import Any

import torch
from torch import Tensor

from ajuste_fino.scratch.optim.arithmetic import Number, Tensors, accumulate, add
from ajuste_fino.scratch.optim.optimizer import Group, Optimizer, State, rate


class SGD(Optimizer, torch.optim.SGD):
    """Stochastic gradient descent.

    Goodfellow, Bengio and Courville, *Deep Learning*, 2016, with its letters ε for the rate and α for the momentum:

        Algorithm 8.1:  θ ← θ − ε g
        Algorithm 8.2:  v ← α v − ε g,              θ ← θ + v           with momentum
        Algorithm 8.3:  the same, g at θ + α v                          Nesterov's

    Torch, and this class unless told otherwise, keeps the rate out of the velocity and may damp the gradient by τ:

        v ← α v + (1 − τ) g,  θ ← θ − ε v;      Nesterov's:  θ ← θ − ε (g + α v)

    At a constant rate the two are equal; when the rate falls the book's velocity still has the steps of the earlier rate.
    `formulation="book"` computes the book's, where Nesterov's parameters are those at which its gradient is taken, θ + α v.

    Args:
        lr: ε.
        momentum: α.
        dampening: τ, torch's only.
        weight_decay: λ; g ← g + λ θ first.
        nesterov: Nesterov's momentum.
        formulation: torch or book.

    The other arguments are torch's, and `compiled`: see `Optimizer`.
    """

    sparse = True

    def __init__(self, *args: Any, formulation: str = "torch", **kwargs: Any) -> None:
        self.formulation = known(formulation)
        super().__init__(*args, **kwargs)
        dampening = self.defaults["dampening"]
        if formulation == "book" and dampening != 0:
            raise ValueError(f"dampening is not in the book's algorithm: it must be 0 there, got {dampening}")

    def initial(self, theta: Tensor, g: Tensor, group: Group) -> State:
        name = "momentum_buffer" if self.formulation == "torch" else "velocity"
        return {name: torch.zeros_like(g)} if group["momentum"] != 0 else {}

    def count(self, state: State, group: Group, fresh: bool) -> Number:
        return 1 if fresh else 2  # all that matters is whether a step is the first

    def numbers(self, group: Group, t: Number) -> tuple[Number, ...]:
        return rate(group), 1 - (group["dampening"] if t > 1 else 0)

    def update(self, theta: Tensors, g: Tensors, state: State, group: Group, *numbers: Any) -> None:
        eps, share = numbers
        alpha = group["momentum"]
        if alpha == 0:
            add(theta, g, -eps)
        elif self.formulation == "book":
            v = add(state["velocity"].mul_(alpha), g, -eps)  # v ← α v − ε g
            if group["nesterov"]:
                add(add(theta, v, alpha), g, -eps)
            else:
                theta.add_(v)
        else:
            v = accumulate(state["momentum_buffer"], alpha, g, share)  # v ← α v + (1 − τ) g
            add(theta, g.add(v, alpha=alpha) if group["nesterov"] else v, -eps)


def known(formulation: str) -> str:
    if formulation not in ("torch", "book"):
        raise ValueError(f"formulation must be torch or book, got {formulation!r}")
    return formulation
