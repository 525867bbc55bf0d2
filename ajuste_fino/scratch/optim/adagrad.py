"""AdaGrad: every parameter has its own rate, which falls as its gradients add up."""

from typing import Any

import torch
from torch import Tensor

from ajuste_fino.scratch.optim.arithmetic import Number, Tensors, add, add_ratio, plus
from ajuste_fino.scratch.optim.optimizer import Group, Optimizer, State, counter, rate


class Adagrad(Optimizer, torch.optim.Adagrad):
    """AdaGrad (Duchi, Hazan and Singer, 2011).

    Goodfellow, Bengio and Courville, *Deep Learning*, 2016, algorithm 8.4, which torch's agrees with:

        r ← r + g ⊙ g,    θ ← θ − ε / (δ + √r) ⊙ g

    The book's δ is 10⁻⁷, torch's 10⁻¹⁰. Torch adds a rate that falls with the step t: ε / (1 + (t − 1) · lr_decay).

    Args:
        lr: ε.
        lr_decay: see above.
        weight_decay: λ; g ← g + λ θ first.
        initial_accumulator_value: r before the first step.
        eps: δ.

    The other arguments are torch's, and `compiled`: see `Optimizer`.
    """

    sparse = True

    def initial(self, theta: Tensor, g: Tensor, group: Group) -> State:
        start = group["initial_accumulator_value"]
        r = torch.full_like(theta, complex(start, start) if theta.is_complex() else start, memory_format=torch.preserve_format)
        return {"step": counter(theta, group), "sum": r.detach()}

    def numbers(self, group: Group, t: Number) -> tuple[Number, ...]:
        return (rate(group) / (1 + (t - 1) * group["lr_decay"]),)

    def update(self, theta: Tensors, g: Tensors, state: State, group: Group, *numbers: Any) -> None:
        (eps,), delta, r = numbers, group["eps"], state["sum"]
        if isinstance(g, Tensor) and g.is_sparse:
            return self._sparse(theta, g.coalesce(), r, delta, eps)
        r.addcmul_(g, g)  # r ← r + g ⊙ g
        return add_ratio(theta, g, plus(r.sqrt(), delta), -eps)

    @staticmethod
    def _sparse(theta: Tensor, g: Tensor, r: Tensor, delta: float, eps: Number) -> None:
        """The same, on the rows that are in the sparse gradient."""

        def on_rows(values: Tensor) -> Tensor:
            return torch.sparse_coo_tensor(g.indices(), values, g.shape, check_invariants=False)

        r.add_(on_rows(g.values().square()))
        root = r.sparse_mask(g).coalesce().values().sqrt().add_(delta)
        add(theta, on_rows(g.values() / root), -float(eps))

    def _rule(self, theta: Tensors, g: Tensors, state: State, group: Group, *numbers: Number) -> None:
        if isinstance(g, Tensor) and g.is_sparse and group["weight_decay"] != 0:
            raise RuntimeError("weight_decay option is not compatible with sparse gradients: pass weight_decay=0")
        super()._rule(theta, g, state, group, *numbers)
