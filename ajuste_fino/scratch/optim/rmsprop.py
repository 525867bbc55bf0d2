"""RMSProp: AdaGrad that forgets."""

from typing import Any

import torch
from torch import Tensor

from ajuste_fino.scratch.optim.arithmetic import Number, Tensors, add, add_ratio, plus
from ajuste_fino.scratch.optim.optimizer import Group, Optimizer, State, counter, like, rate
from ajuste_fino.scratch.optim.sgd import known


class RMSprop(Optimizer, torch.optim.RMSprop):
    """RMSProp (Hinton, 2012, lecture 6 of *Neural Networks for Machine Learning*).

    Goodfellow, Bengio and Courville, *Deep Learning*, 2016, with its letters ε for the rate and ρ for the decay:

        Algorithm 8.5:  r ← ρ r + (1 − ρ) g ⊙ g,    θ ← θ − ε / √(δ + r) ⊙ g
        Algorithm 8.6:  v ← α v − ε / √r ⊙ g,       θ ← θ + v           with momentum

    Torch, and this class unless told otherwise, has δ outside the root, and the rate outside the velocity:

        θ ← θ − ε g / (√r + δ);      with momentum:  v ← α v + g / (√r + δ),  θ ← θ − ε v

    For r far above δ the first two hardly differ; where gradients are near zero, the book's steps are much smaller
    (√δ is 10⁻³ for the book's δ of 10⁻⁶). `formulation="book"` computes the book's, with δ in 8.6 as well and its gradient
    taken at θ. Centered, not in the book: r − m ⊙ m in place of r, m the running mean of g.

    Args:
        lr: ε.
        alpha: ρ.
        eps: δ.
        weight_decay: λ; g ← g + λ θ first.
        momentum: α.
        centered: see above.
        formulation: torch or book.

    The other arguments are torch's, and `compiled`: see `Optimizer`.
    """

    def __init__(self, *args: Any, formulation: str = "torch", **kwargs: Any) -> None:
        self.formulation = known(formulation)
        super().__init__(*args, **kwargs)

    def initial(self, theta: Tensor, g: Tensor, group: Group) -> State:
        state = {"step": counter(theta, group), "square_avg": like(theta)}
        if group["momentum"] > 0:
            state["momentum_buffer" if self.formulation == "torch" else "velocity"] = like(theta)
        if group["centered"]:
            state["grad_avg"] = like(theta)
        return state

    def numbers(self, group: Group, t: Number) -> tuple[Number, ...]:
        return (rate(group),)

    def update(self, theta: Tensors, g: Tensors, state: State, group: Group, *numbers: Any) -> None:
        (eps,), rho, alpha = numbers, group["alpha"], group["momentum"]
        r = state["square_avg"].mul_(rho).addcmul_(g, g, value=1 - rho)  # r ← ρ r + (1 − ρ) g ⊙ g
        if group["centered"]:
            m = state["grad_avg"].lerp_(g, 1 - rho)  # m ← ρ m + (1 − ρ) g
            r = r.addcmul(m, m, value=-1)
        root = r.add(group["eps"]).sqrt() if self.formulation == "book" else plus(r.sqrt(), group["eps"])
        if alpha == 0:
            add_ratio(theta, g, root, -eps)
        elif self.formulation == "book":
            theta.add_(add_ratio(state["velocity"].mul_(alpha), g, root, -eps))
        else:
            v = state["momentum_buffer"].mul_(alpha).addcdiv_(g, root)
            add(theta, v, -eps)
