"""Adam: momentum and RMSProp, both corrected for their start at zero. AdamW: Adam with decoupled weight decay."""

from typing import Any

import torch
from torch import Tensor

from ajuste_fino.scratch.optim.arithmetic import Number, Tensors, add_ratio, grow, over, plus
from ajuste_fino.scratch.optim.optimizer import Group, Optimizer, State, counter, like, rate


class Adam(Optimizer, torch.optim.Adam):
    """Adam (Kingma and Ba, 2015).

    Goodfellow, Bengio and Courville, *Deep Learning*, 2016, algorithm 8.7, which torch's agrees with:

        s ← ρ₁ s + (1 − ρ₁) g,    r ← ρ₂ r + (1 − ρ₂) g ⊙ g
        ŝ = s / (1 − ρ₁ᵗ),        r̂ = r / (1 − ρ₂ᵗ)
        θ ← θ − ε ŝ / (√r̂ + δ)

    Args:
        lr: ε.
        betas: ρ₁ and ρ₂.
        eps: δ.
        weight_decay: λ; g ← g + λ θ first, or, decoupled, θ ← (1 − ε λ) θ.
        amsgrad: the largest r so far in its place (Reddi, Kale and Kumar, 2018).
        decoupled_weight_decay: as in AdamW.

    The other arguments are torch's, and `compiled`: see `Optimizer`.
    """

    def initial(self, theta: Tensor, g: Tensor, group: Group) -> State:
        state = {"step": counter(theta, group), "exp_avg": like(theta), "exp_avg_sq": like(theta)}
        return state | {"max_exp_avg_sq": like(theta)} if group["amsgrad"] else state

    def numbers(self, group: Group, t: Number) -> tuple[Number, ...]:
        eps, (rho1, rho2) = rate(group), map(float, group["betas"])
        decay = 1 - eps * group["weight_decay"]
        return eps / (1 - rho1**t), (1 - rho2**t) ** 0.5, decay

    def update(self, theta: Tensors, g: Tensors, state: State, group: Group, *numbers: Any) -> None:
        eps, root, decay = numbers
        rho1, rho2 = map(float, group["betas"])
        if group["decoupled_weight_decay"] and group["weight_decay"] != 0:
            theta.mul_(decay)  # θ ← (1 − ε λ) θ
        s = state["exp_avg"].lerp_(g, 1 - rho1)  # s ← ρ₁ s + (1 − ρ₁) g
        r = state["exp_avg_sq"].mul_(rho2).addcmul_(g, g, value=1 - rho2)  # r ← ρ₂ r + (1 − ρ₂) g ⊙ g
        if group["amsgrad"]:
            r = grow(state["max_exp_avg_sq"], r)
        add_ratio(theta, s, plus(over(r.sqrt(), root), group["eps"]), -eps)  # θ ← θ − ε ŝ / (√r̂ + δ)


class AdamW(Adam, torch.optim.AdamW):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019): θ ← (1 − ε λ) θ, whatever the gradients were.

    Arguments are torch's, and `compiled`; `weight_decay` is 0.01 unless given.
    """
