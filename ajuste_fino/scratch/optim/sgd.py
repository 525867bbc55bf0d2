"""Stochastic gradient descent, plain, with momentum, with Nesterov's."""

from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from ajuste_fino.scratch.optim.arithmetic import Number, Tensors, accumulate, add
from ajuste_fino.scratch.optim.optimizer import Group, Optimizer, State, at_least_zero, rate


class SGD(Optimizer):
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
        params: parameters, or groups of them with keywords of their own.
        lr: ε, a number or a tensor of one.
        momentum: α.
        dampening: τ, torch's only.
        weight_decay: λ; g ← g + λ θ first.
        nesterov: Nesterov's momentum.
        maximize, foreach, differentiable, fused, compiled: see `Optimizer`.
        formulation: torch or book.

    Raises:
        ValueError: for numbers out of range, and for dampening where the algorithm has none.
    """

    sparse = True

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
        formulation: str = "torch",
        compiled: bool = False,
    ) -> None:
        self.formulation = known(formulation)
        at_least_zero("momentum value", momentum)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        if formulation == "book" and dampening != 0:
            raise ValueError(f"dampening is not in the book's algorithm: it must be 0 there, got {dampening}")
        numbers = {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay}
        flags = {"maximize": maximize, "foreach": foreach, "differentiable": differentiable, "fused": fused}
        super().__init__(params, {**numbers, "nesterov": nesterov, **flags}, compiled)

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
