"""Choose between torch's layers and those written from scratch, which have the same names."""

from importlib import import_module
from types import ModuleType

from ajuste_fino.errors import UserError, nearest

IMPLEMENTATIONS = {"torch": "torch", "scratch": "ajuste_fino.scratch"}


def implementation(impl: str, part: str, key: str) -> ModuleType:
    """`part` (`nn`, `nn.functional`, `optim`) of an implementation; `key` is what the configuration calls it.

    Raises:
        UserError: for any other implementation than torch or scratch.
    """
    if impl not in IMPLEMENTATIONS:
        raise UserError(key, "must be torch or scratch", got=impl, fix=nearest(str(impl), list(IMPLEMENTATIONS)))
    name = "functional" if (impl, part) == ("scratch", "nn.functional") else part
    return import_module(f"{IMPLEMENTATIONS[impl]}.{name}")
