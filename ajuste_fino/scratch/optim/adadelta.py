"""Adadelta: the running size of the previous steps sets the size of the next."""

from typing import Any

import torch
from torch import Tensor

from ajuste_fino.scratch.optim.arithmetic import Number, Tensors, add
from ajuste_fino.scratch.optim.optimizer import Group, Optimizer, State, counter, like, rate


class Adadelta(Optimizer, torch.optim.Adadelta):
    """Adadelta (Zeiler, 2012, algorithm 1), which the book names only; ρ, δ and g as elsewhere here.

        r ← ρ r + (1 − ρ) g ⊙ g
        Δ = √(u + δ) / √(r + δ) ⊙ g
        u ← ρ u + (1 − ρ) Δ ⊙ Δ,    θ ← θ − ε Δ

    Args:
        lr: ε, which is 1 in the paper.
        rho: ρ.
        eps: δ, inside the roots.
        weight_decay: λ; g ← g + λ θ first.

    The other arguments are torch's, and `compiled`: see `Optimizer`.
    """

    def initial(self, theta: Tensor, g: Tensor, group: Group) -> State:
        return {"step": counter(theta, group), "square_avg": like(theta), "acc_delta": like(theta)}

    def numbers(self, group: Group, t: Number) -> tuple[Number, ...]:
        return (rate(group),)

    def update(self, theta: Tensors, g: Tensors, state: State, group: Group, *numbers: Any) -> None:
        (eps,), rho, u = numbers, group["rho"], state["acc_delta"]
        r = state["square_avg"].mul_(rho).addcmul_(g, g, value=1 - rho)
        step = u.add(group["eps"]).sqrt().div(r.add(group["eps"]).sqrt()).mul(g)  # Δ
        u.mul_(rho).addcmul_(step, step, value=1 - rho)
        add(theta, step, -eps)
