"""RMSProp: AdaGrad that forgets."""

from typing import Any

from torch import Tensor
from torch.optim.optimizer import ParamsT

from ajuste_fino.scratch.optim.arithmetic import Number, Tensors, add, add_ratio, plus
from ajuste_fino.scratch.optim.optimizer import Group, Optimizer, State, at_least_zero, counter, like, rate
from ajuste_fino.scratch.optim.sgd import known


class RMSprop(Optimizer):
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
        params: parameters, or groups of them with keywords of their own.
        lr: ε, a number or a tensor of one.
        alpha: ρ.
        eps: δ.
        weight_decay: λ; g ← g + λ θ first.
        momentum: α.
        centered: see above.
        capturable, foreach, maximize, differentiable, compiled: see `Optimizer`.
        formulation: torch or book.

    Raises:
        ValueError: for numbers out of range.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        *,
        formulation: str = "torch",
        compiled: bool = False,
    ) -> None:
        self.formulation = known(formulation)
        at_least_zero("epsilon value", eps)
        at_least_zero("momentum value", momentum)
        at_least_zero("alpha value", alpha)
        numbers = {"lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered}
        flags = {"capturable": capturable, "foreach": foreach, "maximize": maximize, "differentiable": differentiable}
        super().__init__(params, {**numbers, "weight_decay": weight_decay, **flags}, compiled)

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
