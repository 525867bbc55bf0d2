"""Adadelta: steps in the parameter's own units, from the running size of the steps before."""

from typing import Any

from torch import Tensor
from torch.optim.optimizer import ParamsT

from ajuste_fino.scratch.optim.arithmetic import Number, Tensors, add
from ajuste_fino.scratch.optim.optimizer import Group, Optimizer, State, at_least_zero, counter, like, rate


class Adadelta(Optimizer):
    """Adadelta (Zeiler, 2012, algorithm 1), which the book names only; ρ, δ and g as elsewhere here.

        r ← ρ r + (1 − ρ) g ⊙ g
        Δ = √(u + δ) / √(r + δ) ⊙ g
        u ← ρ u + (1 − ρ) Δ ⊙ Δ,    θ ← θ − ε Δ

    Args:
        params: parameters, or groups of them with keywords of their own.
        lr: ε, 1 in the paper; a number or a tensor of one.
        rho: ρ.
        eps: δ, inside the roots.
        weight_decay: λ; g ← g + λ θ first.
        foreach, capturable, maximize, differentiable, compiled: see `Optimizer`.

    Raises:
        ValueError: for numbers out of range.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
        compiled: bool = False,
    ) -> None:
        at_least_zero("rho value", rho, below=1.0)
        at_least_zero("epsilon value", eps)
        numbers = {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay}
        flags = {"maximize": maximize, "capturable": capturable, "foreach": foreach, "differentiable": differentiable}
        super().__init__(params, {**numbers, **flags}, compiled)

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
