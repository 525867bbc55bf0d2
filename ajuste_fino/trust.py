"""Classes of the user's own: named by `_target_`, and taken only from packages that the command line trusts."""

import inspect
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from ajuste_fino.errors import UserError
from ajuste_fino.files import sha256


def own_class(target: str, base: type, trusted: Sequence[str], key: str) -> type:
    """The class `package.module.Class`, where the package is trusted; a module of any other is never imported.

    Raises:
        UserError: where the package is not trusted, or what the name turns out to be is no class of that base, or one that
            the package only borrows from another.
    """
    home, _, name = target.rpartition(".")
    package = home.partition(".")[0]
    if not package or package not in trusted:
        fix = f"To use a class of your own, pass trust=[{package or 'PACKAGE'}]."
        raise UserError(key, "must name a class of a package that is trusted", got=target, fix=fix)
    try:
        found = getattr(import_module(home), name)
    except Exception as error:  # whatever its import runs into
        fix = "Install the package, or put its folder on PYTHONPATH."
        raise UserError(key, f"cannot be imported ({type(error).__name__}: {error})", got=target, fix=fix) from error
    if not (isinstance(found, type) and issubclass(found, base) and found.__module__.partition(".")[0] == package):
        fix = f"Derive it from {base.__module__}.{base.__name__}, in that package."
        raise UserError(key, f"must be a {base.__name__} of the package {package}", got=target, fix=fix)
    return found


def source_of(cls: type) -> str:
    """Return the SHA-256 of the source file of a class, which may compute something else once it changes."""
    return sha256(Path(inspect.getfile(cls)))


def packages(value: object) -> list[str]:
    """`trust=[one,two]` → the names, which must be those of packages.

    Raises:
        UserError: where it is no list of names.
    """
    names = [value] if isinstance(value, str) else list(value) if isinstance(value, tuple) else value
    if not isinstance(names, list) or not all(isinstance(name, str) and name.isidentifier() for name in names):
        raise UserError("trust", "must be a list of packages", got=value, fix="Pass trust=[mypackage].")
    return list(names)
