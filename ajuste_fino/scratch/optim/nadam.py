"""NAdam: Adam that looks ahead, as Nesterov does."""

from typing import Any

import torch
from torch import Tensor

from ajuste_fino.scratch.optim.arithmetic import Number, Tensors, add_ratio, over, plus
from ajuste_fino.scratch.optim.optimizer import Group, Optimizer, State, counter, like, rate


class NAdam(Optimizer, torch.optim.NAdam):
    """NAdam (Dozat, 2016, algorithm 2), which the book leaves out; its letters here, with the book's for rate and constant.

        μ_t = ρ₁ (1 − ½ · 0.96^(t ψ)),    M_t = μ_1 μ_2 … μ_t
        s ← ρ₁ s + (1 − ρ₁) g,    r ← ρ₂ r + (1 − ρ₂) g ⊙ g,    r̂ = r / (1 − ρ₂ᵗ)
        θ ← θ − ε [(1 − μ_t) / (1 − M_t) g + μ_{t+1} / (1 − M_{t+1}) s] / (√r̂ + δ)

    Args:
        lr: ε.
        betas: ρ₁ and ρ₂.
        eps: δ.
        weight_decay: λ; g ← g + λ θ first, or, decoupled, θ ← (1 − ε λ) θ.
        momentum_decay: ψ.
        decoupled_weight_decay: as in AdamW.

    The other arguments are torch's, and `compiled`: see `Optimizer`.
    """

    def initial(self, theta: Tensor, g: Tensor, group: Group) -> State:
        product = torch.ones_like(counter(theta, group))
        return {"step": counter(theta, group), "mu_product": product, "exp_avg": like(theta), "exp_avg_sq": like(theta)}

    def count(self, state: State, group: Group, fresh: bool) -> Any:
        """t and M_t."""
        t = super().count(state, group, fresh)
        state["mu_product"] *= self._mu(group, t)
        return t, state["mu_product"] if group["capturable"] else state["mu_product"].item()

    @staticmethod
    def _mu(group: Group, t: Number) -> Number:
        return group["betas"][0] * (1 - 0.5 * 0.96 ** (t * group["momentum_decay"]))

    def numbers(self, group: Group, t: Any) -> tuple[Number, ...]:
        eps, (t, product) = rate(group), t
        mu, mu_next = self._mu(group, t), self._mu(group, t + 1)
        root, decay = (1 - group["betas"][1] ** t) ** 0.5, 1 - eps * group["weight_decay"]
        return eps * (1 - mu) / (1 - product), eps * mu_next / (1 - product * mu_next), root, decay

    def update(self, theta: Tensors, g: Tensors, state: State, group: Group, *numbers: Any) -> None:
        by_g, by_s, root, decay = numbers
        rho1, rho2 = group["betas"]
        if group["decoupled_weight_decay"] and group["weight_decay"] != 0:
            theta.mul_(decay)
        s = state["exp_avg"].lerp_(g, 1 - rho1)
        r = state["exp_avg_sq"].mul_(rho2).addcmul_(g, g, value=1 - rho2)
        below = plus(over(r.sqrt(), root), group["eps"])  # √r̂ + δ
        add_ratio(add_ratio(theta, g, below, -by_g), s, below, -by_s)
