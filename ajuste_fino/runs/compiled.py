"""`compile=true`: torch compiles what is trained of the backbone, while it is trained."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from omegaconf import DictConfig
from torch import Tensor

from ajuste_fino.errors import UserError
from ajuste_fino.phases import Phases
from ajuste_fino.plan import Plan
from ajuste_fino.predict import device


def require_possible(cfg: DictConfig, phases: Phases) -> None:
    """Refuse to compile where there is nothing to compile, or no compiler, which is tried on a sum.

    Raises:
        UserError: with what torch says of the compiler.
    """
    if not cfg.get("compile"):
        return
    if not phases.trains_backbone:
        fix = "Leave it out, or pass phases=ladder or phases=full."
        raise UserError("compile=true", "is for phases that train the backbone", fix=fix)
    try:
        torch.compile(_add)(torch.ones(2, device=device(cfg.trainer.accelerator)))
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        fix = "Install one (on a CPU g++, which CXX may name), or leave compile out."
        raise UserError("compile=true", f"needs a compiler that works ({reason})", fix=fix) from error


def _add(x: Tensor) -> Tensor:
    return x + 1


@contextmanager
def compiled(plan: Plan, wanted: bool) -> Iterator[None]:
    """Compile the bodies of phases that train them, in place, so that no tensor has another name; undo it at the end.

    What comes after training, the bundle above all, computes as it does without.
    """
    trained = [body for body, phase in zip(plan.bodies, plan.phases, strict=True) if body and phase.trains_backbone]
    bodies = trained if wanted else []
    for body in bodies:
        body.compile()
    try:
        yield
    finally:
        for body in bodies:
            body._compiled_call_impl = None  # torch has no name for it of its own
