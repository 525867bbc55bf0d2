"""The configuration that an earlier run has saved: read, and refused where it is not one of this verb."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from ajuste_fino.errors import UserError
from ajuste_fino.files import existing
from ajuste_fino.runs import conf
from ajuste_fino.runs.latest import find_run
from ajuste_fino.runs.suggest import suggestion
from ajuste_fino.verbs import VERBS

FIX = "Pass a run folder of train, or its config.yaml."


def load(config: str, given: str, key: str = "config") -> dict[str, Any]:
    """Read the configuration of a run folder, or that file itself.

    Args:
        config: the verb that it is for.
        key: by which it was given.

    Raises:
        UserError: where there is none, or it is that of another verb, or has keys that the verb lacks.
    """
    path = find_run(given, key)
    saved = read(key, existing(key, path / "config.yaml") if path.is_dir() else path)
    known, verb = conf.keys(config), _verb_of(saved)
    if verb is not None and verb not in _chain(config):
        raise UserError(key, f"must not be a configuration of {verb}", got=path, fix=FIX)
    if foreign := unknown(saved, known):
        fix = f"{suggestion(foreign[0], known)} Correct the file."
        raise UserError(f"{key}={path}", f"has keys that are unknown to {config}", got=", ".join(foreign), fix=fix)
    if hollow := [group for group in conf.groups(config) if not isinstance(saved.get(group, {}), dict | str)]:
        rule = f"must have the keys of {hollow[0]}, or the name of one"
        raise UserError(f"{key}={path}", rule, got=repr(saved[hollow[0]]), fix="Correct the file.")
    return saved


def leaves(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """`{optimizer: {lr: 0.1}}` → `optimizer.lr` and 0.1; an empty dictionary and a list are values."""
    for name, value in node.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def read(key: str, path: Path) -> dict[str, Any]:
    """The keys of a configuration file that `key` names.

    Raises:
        UserError: where it is none, or empty, as a run that stopped as it began leaves it.
    """
    try:
        saved = OmegaConf.to_container(OmegaConf.load(path))
    except PermissionError as error:
        raise UserError(key, f"cannot be read ({error.strerror})", got=path, fix="Check its permissions.") from error
    except (OSError, UnicodeDecodeError, YAMLError, OmegaConfBaseException) as error:
        raise UserError(key, f"cannot be read ({' '.join(str(error).split())})", got=path, fix=FIX) from error
    if not isinstance(saved, dict) or not saved:
        raise UserError(key, "must be a file of keys", got=f"{path}, which has none", fix=FIX)
    return {str(key): value for key, value in saved.items()}


def unknown(saved: Mapping[str, Any], known: Sequence[str]) -> list[str]:
    """Keys that are neither a verb's nor arguments of a class; other signs in them would mean something to Hydra."""
    others = [key for key, _ in leaves(saved) if key not in known]
    return [key for key in others if not (key.startswith(conf.ARGUMENTS) and re.fullmatch(r"[\w.-]+", key))]


def _verb_of(saved: Mapping[str, Any]) -> str | None:
    """The verb that saved it: of those that have all of its keys, the one that has the fewest; None for a part of one."""
    known = {name: conf.keys(name) for name, verb in VERBS.items() if not verb.names}
    having = [name for name in known if "out" in saved and not unknown(saved, known[name])]
    return min(having, key=lambda name: len(known[name]), default=None)


def _chain(config: str) -> list[str]:
    """A verb, and those that it is built on: sweep, train."""
    return [config, *(one for base in conf.conf_file(config).bases if base in VERBS for one in _chain(base))]
