"""Adamax: Adam that divides by the largest recent gradient, not by a root of mean squares."""

from typing import Any

import torch
from torch import Tensor

from ajuste_fino.scratch.optim.arithmetic import Number, Tensors, add_ratio, grow, plus
from ajuste_fino.scratch.optim.optimizer import Group, Optimizer, State, counter, like, rate


class Adamax(Optimizer, torch.optim.Adamax):
    """Adamax (Kingma and Ba, 2015, algorithm 2), which the book leaves out; s, ρ, ε and δ as for Adam here.

        s ← ρ₁ s + (1 − ρ₁) g,    u ← max(ρ₂ u, abs(g) + δ)
        θ ← θ − ε / (1 − ρ₁ᵗ) · s / u

    The paper has no δ; torch's, beside ``|g|``, keeps u from being zero.

    Args:
        lr: ε.
        betas: ρ₁ and ρ₂.
        eps: δ.
        weight_decay: λ; g ← g + λ θ first.

    The other arguments are torch's, and `compiled`: see `Optimizer`.
    """

    def initial(self, theta: Tensor, g: Tensor, group: Group) -> State:
        return {"step": counter(theta, group), "exp_avg": like(theta), "exp_inf": like(theta)}

    def numbers(self, group: Group, t: Number) -> tuple[Number, ...]:
        return (rate(group) / (1 - group["betas"][0] ** t),)

    def update(self, theta: Tensors, g: Tensors, state: State, group: Group, *numbers: Any) -> None:
        (eps,), (rho1, rho2) = numbers, group["betas"]
        s = state["exp_avg"].lerp_(g, 1 - rho1)
        u = grow(state["exp_inf"].mul_(rho2), plus(g.abs(), group["eps"]))
        add_ratio(theta, s, u, -eps)
