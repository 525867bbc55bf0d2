"""Adamax: Adam with the largest gradient in place of the root of their squares."""

from typing import Any

from torch import Tensor
from torch.optim.optimizer import ParamsT

from ajuste_fino.scratch.optim.arithmetic import Number, Tensors, add_ratio, grow, plus
from ajuste_fino.scratch.optim.optimizer import Group, Optimizer, State, at_least_zero, betas_below_one, counter, like, rate


class Adamax(Optimizer):
    """Adamax (Kingma and Ba, 2015, algorithm 2), which the book leaves out; s, ρ, ε and δ as for Adam here.

        s ← ρ₁ s + (1 − ρ₁) g,    u ← max(ρ₂ u, |g| + δ)
        θ ← θ − ε / (1 − ρ₁ᵗ) · s / u

    The paper has no δ; torch's, beside |g|, keeps u from being zero.

    Args:
        params: parameters, or groups of them with keywords of their own.
        lr: ε, a number or a tensor of one.
        betas: ρ₁ and ρ₂.
        eps: δ.
        weight_decay: λ; g ← g + λ θ first.
        foreach, maximize, differentiable, capturable, compiled: see `Optimizer`.

    Raises:
        ValueError: for numbers out of range.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
        compiled: bool = False,
    ) -> None:
        at_least_zero("epsilon value", eps)
        betas_below_one(betas)
        numbers = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        flags = {"foreach": foreach, "maximize": maximize, "differentiable": differentiable, "capturable": capturable}
        super().__init__(params, {**numbers, **flags}, compiled)

    def initial(self, theta: Tensor, g: Tensor, group: Group) -> State:
        return {"step": counter(theta, group), "exp_avg": like(theta), "exp_inf": like(theta)}

    def numbers(self, group: Group, t: Number) -> tuple[Number, ...]:
        return (rate(group) / (1 - group["betas"][0] ** t),)

    def update(self, theta: Tensors, g: Tensors, state: State, group: Group, *numbers: Any) -> None:
        (eps,), (rho1, rho2) = numbers, group["betas"]
        s = state["exp_avg"].lerp_(g, 1 - rho1)
        u = grow(state["exp_inf"].mul_(rho2), plus(g.abs(), group["eps"]))
        add_ratio(theta, s, u, -eps)
