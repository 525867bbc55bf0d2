"""What all optimizers share: a step counts, groups tensors of one kind, and calls the algorithm on them."""

import inspect
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ajuste_fino.scratch.optim.arithmetic import Number, TensorList, Tensors

BLOCK = 2**19  # elements; a handful of tensors of so many fit a processor's caches
Group = dict[str, Any]
State = dict[str, Any]


class Optimizer(torch.optim.Optimizer):
    """A step that is ours before a constructor that is torch's: `class Adam(Optimizer, torch.optim.Adam)`.

    Arguments, defaults, errors, names in `state_dict`, printing and `isinstance` are therefore torch's by construction.
    For every parameter θ with a gradient g, a step computes `numbers` and calls `update`, which is the algorithm.

    Args:
        args, kwargs: torch's arguments. Of the flags, `maximize` steps uphill. `foreach` treats many parameters at a time;
            None means on a GPU only. `differentiable` lets autograd record the step. `capturable` keeps the count of steps
            on the device, for CUDA graphs. `fused` is taken for compatibility and changes nothing.
        compiled: one kernel for all parameters by torch.compile. It wants a C++ compiler, and time at the first step.
    """

    sparse = False  # whether `update` knows what to do with a sparse gradient
    __signature__: inspect.Signature

    def __init__(self, *args: Any, compiled: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.compiled = compiled
        self._step_supports_amp_scaling = False  # torch's fused steps undo the scale of `GradScaler`; ours leave that to it

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Let `help` and editors show torch's arguments instead of `*args`."""
        super().__init_subclass__(**kwargs)
        cls.__signature__ = signature(cls)

    def initial(self, theta: Tensor, g: Tensor, group: Group) -> State:
        """The state of a parameter before its first step, under torch's names."""
        raise NotImplementedError

    def numbers(self, group: Group, t: Number) -> tuple[Number, ...]:
        """The numbers of step t, which are the same for all parameters; t counts from 1."""
        raise NotImplementedError

    def update(self, theta: Tensors, g: Tensors, state: State, group: Group, *numbers: Any) -> None:
        """The algorithm, in place. It reads from `group` only what never changes; the rate is one of the numbers."""
        raise NotImplementedError

    def count(self, state: State, group: Group, fresh: bool) -> Number:
        """Count this step and return its number."""
        state["step"] += 1
        return state["step"] if group.get("capturable") else state["step"].item()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step on every parameter that has a gradient.

        Args:
            closure: computes the loss and its gradients again, and returns the loss.

        Raises:
            RuntimeError: for a sparse gradient, where the algorithm does not take any.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        with torch.set_grad_enabled(self.defaults["differentiable"]):
            for group in self.param_groups:
                for (*_, t), members in self._members(group).items():
                    self._apply(group, members, self.numbers(group, t))
        return loss

    def _members(self, group: Group) -> dict[tuple, list[tuple[Tensor, Tensor, State]]]:
        """θ, g and state of each parameter, grouped by what one kernel with the same numbers can update."""
        members = defaultdict(list)
        for theta in group["params"]:
            if theta.grad is None:
                continue
            if theta.grad.is_sparse and not self.sparse:
                raise RuntimeError(f"{type(self).__name__} does not support sparse gradients: SGD and Adagrad do")
            state = self.state.get(theta)
            fresh = not state
            if not state:
                state = self.initial(theta, theta.grad, group)
                if state:
                    self.state[theta] = state
            if group["differentiable"]:  # do not overwrite what autograd saved in the step before
                state.update({name: value.clone() for name, value in state.items()})
            kind = (theta.device, theta.dtype, theta.grad.is_sparse, self.count(state, group, fresh))
            members[kind].append((theta, theta.grad, state))
        return members

    def _apply(self, group: Group, members: list[tuple[Tensor, Tensor, State]], numbers: tuple[Number, ...]) -> None:
        theta, sparse = members[0][0], members[0][1].is_sparse
        real = [(_real(p), _real(g), _real(state)) for p, g, state in members] if theta.is_complex() else members
        many = theta.is_cuda and not group["differentiable"] if group["foreach"] is None else group["foreach"]
        if self.compiled and not sparse:
            dtype = torch.promote_types(theta.dtype.to_real(), torch.float32)
            still = {name: value for name, value in group.items() if name not in ("params", "lr", "initial_lr")}
            self._together(real, still, *(torch.as_tensor(n, dtype=dtype, device=theta.device) for n in numbers))
        elif many and not sparse and len(real) > 1:
            thetas, gs, states = zip(*real, strict=True)
            state = {name: TensorList([s[name] for s in states]) for name in states[0] if name != "step"}
            self._rule(TensorList(thetas), TensorList(gs), state, group, *numbers)
        else:
            for member in real:
                for parameter, g, state in [member] if sparse or group["differentiable"] else blocks(*member):
                    self._rule(parameter, g, state, group, *numbers)

    @cached_property
    def _together(self) -> Callable[..., None]:
        def rules(members: list[tuple[Tensor, Tensor, State]], group: Group, *numbers: Tensor) -> None:
            for theta, g, state in members:
                self._rule(theta, g, state, group, *numbers)

        return torch.compile(rules)

    def _rule(self, theta: Tensors, g: Tensors, state: State, group: Group, *numbers: Number) -> None:
        """Apply sign and weight decay to the gradient, then the algorithm."""
        g = g.neg() if group["maximize"] else g
        if not _is_zero(group["weight_decay"]) and not group.get("decoupled_weight_decay"):
            g = g.add(theta, alpha=group["weight_decay"])
        self.update(theta, g, state, group, *numbers)

    def __getstate__(self) -> dict[str, Any]:
        mine = {name: getattr(self, name) for name in ("compiled", "formulation") if hasattr(self, name)}
        return super().__getstate__() | mine

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Torch's class reads checkpoints of its older versions too. In some of them a buffer that is not there yet is None."""
        super().__setstate__(state)
        for each in self.state.values():
            for name in [name for name, value in each.items() if value is None]:
                del each[name]


def signature(kind: type) -> inspect.Signature:
    """Torch's arguments, and the keywords of those constructors that pass `**kwargs` on to torch's."""
    found: dict[str, inspect.Parameter] = {}
    for constructor in [vars(each)["__init__"] for each in kind.__mro__ if "__init__" in vars(each)]:
        _, *parameters = inspect.signature(constructor).parameters.values()
        passes_on = any(p.kind is p.VAR_KEYWORD for p in parameters)
        found = {p.name: p for p in parameters if p.kind is p.KEYWORD_ONLY or not passes_on} | found
        if not passes_on:
            break
    return inspect.Signature(sorted(found.values(), key=lambda p: p.kind))


def blocks(theta: Tensor, g: Tensor, state: State) -> Iterable[tuple[Tensor, Tensor, State]]:
    """Split a large parameter on a CPU into pieces that stay in the caches while a rule reads them several times.

    Rules work element by element, so the result is the same.
    """
    whole = [theta, g, *(value for value in state.values() if value.ndim)]
    if theta.is_cuda or theta.numel() <= BLOCK or not all(x.is_contiguous() and x.shape == theta.shape for x in whole):
        return [(theta, g, state)]
    pieces = {name: value.view(-1).split(BLOCK) for name, value in state.items() if value.ndim}
    pairs = enumerate(zip(theta.view(-1).split(BLOCK), g.view(-1).split(BLOCK), strict=True))
    return [(*pair, {name: values[n] for name, values in pieces.items()}) for n, pair in pairs]


def counter(theta: Tensor, group: Group) -> Tensor:
    """A count of steps, zero so far, on the device where torch keeps it."""
    kind = torch.float64 if torch.get_default_dtype() == torch.float64 else torch.float32
    return torch.zeros((), dtype=kind, device=theta.device if group.get("capturable") or group.get("fused") else "cpu")


def like(theta: Tensor) -> Tensor:
    return torch.zeros_like(theta, memory_format=torch.preserve_format)


def rate(group: Group) -> Number:
    """ε as a number, or as a tensor if it must stay on its device or have a gradient."""
    lr = group["lr"]
    keep = isinstance(lr, Tensor) and (group.get("capturable") or lr.requires_grad)
    return lr.squeeze() if keep else float(lr)


def _is_zero(value: Any) -> bool:
    return not isinstance(value, Tensor) and value == 0


def _real(x: Any) -> Any:
    """View a complex number as two real ones. The rules treat each by itself, as torch's do."""
    if isinstance(x, dict):
        return {name: _real(value) for name, value in x.items()}
    return torch.view_as_real(x) if isinstance(x, Tensor) and x.is_complex() else x
