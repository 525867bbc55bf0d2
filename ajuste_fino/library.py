"""Whose layers: torch's, or those written by hand, which have torch's names and stand in for them."""

from importlib import import_module
from types import ModuleType

from ajuste_fino.errors import UserError, nearest

IMPLEMENTATIONS = {"torch": "torch", "scratch": "ajuste_fino.scratch"}


def library(impl: str, part: str, key: str) -> ModuleType:
    """`part` (`nn`, `nn.functional`, `optim`) of an implementation; `key` is what the configuration calls it.

    Raises:
        UserError: for any other implementation than torch or scratch.
    """
    if impl not in IMPLEMENTATIONS:
        raise UserError(key, "must be torch or scratch", got=impl, fix=nearest(str(impl), list(IMPLEMENTATIONS)))
    name = "functional" if (impl, part) == ("scratch", "nn.functional") else part
    return import_module(f"{IMPLEMENTATIONS[impl]}.{name}")
