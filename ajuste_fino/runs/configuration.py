"""From `key=value` to a configuration, and from Hydra's errors to messages that help."""

import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ajuste_fino.errors import UserError, nearest

PATHS = ("data.root", "data.split", "backbone.weights", "run", "images", "out", "csv", "json")


def folder() -> Path:
    """`conf/`, inside the installed package or beside it in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def options(group: str) -> list[str]:
    """The names a group offers: `options("optimizer")` → ["adagrad", "adam", …]."""
    return sorted(path.stem for path in (folder() / group).glob("*.yaml"))


def compose(verb: str, overrides: Sequence[str]) -> DictConfig:
    """The configuration of a verb, composed in this process.

    Raises:
        UserError: for an unknown key or name, or a value that cannot be read.
    """
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.errors import HydraException

    try:
        with initialize_config_dir(str(folder()), version_base="1.3"):
            return hydra_compose(verb, [quoted(one) for one in overrides])
    except HydraException as error:
        raise explain(error, verb, overrides) from error


def quoted(override: str, several: bool = False) -> str:
    """`data.root=a folder, with = signs` → the same with its value in quotes, which Hydra's grammar asks for.

    With `several` runs a comma separates paths, unless a path of that very name exists.
    """
    key, sign, value = override.partition("=")
    if not sign or key not in PATHS or not value or value[0] in "'\"[" or value == "null":
        return override
    if several and "," in value and not Path(value).exists():
        return f"{key}={','.join(literal(one) for one in value.split(','))}"
    return f"{key}={literal(value)}"


def literal(value: object) -> str:
    """A Python value in the grammar of Hydra's overrides."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return "[" + ",".join(literal(one) for one in value) + "]"
    text = str(value).replace("\\'", "\\\\'").replace("'", "\\'")
    return f"'{text}" + ("\\'" if text.endswith("\\") else "'")


def explain(error: Exception, verb: str, overrides: Sequence[str]) -> UserError:
    """What Hydra could not do, said with the nearest name that exists."""
    for override in overrides:
        key, _, value = override.lstrip("+~").partition("=")
        if (folder() / key).is_dir():
            unknown = [name for name in value.split(",") if name not in options(key)]
            if unknown:
                return UserError(
                    key, f"must be one of {', '.join(options(key))}", got=unknown[0], fix=nearest(unknown[0], options(key))
                )
        elif key not in keys(verb) and not key.startswith("hydra"):
            return UserError(f"The key {key}", f"is unknown to {verb}", fix=nearest(key, keys(verb)))
    missing = re.search(r"Missing mandatory value: (\S+)", str(error))
    if missing:
        return UserError(missing[1], "has no value", fix=f"Pass {missing[1]}=…")
    return UserError(
        f"ajuste-fino {verb}", f"cannot read its arguments ({error})", fix="Put values with commas or spaces in quotes."
    )


def refuse_additions(verb: str, overrides: Sequence[str]) -> None:
    """`+key=value` would add a key that nothing reads: refused, unless it is an argument of optimizer or schedule."""
    for override in overrides:
        key = override.lstrip("+").partition("=")[0]
        if override.startswith("+") and not key.startswith(("optimizer.", "schedule.", "hydra")):
            raise UserError(f"The key {key}", f"is unknown to {verb}", fix=nearest(key, keys(verb)))


def keys(verb: str) -> list[str]:
    """Every key of a verb: those of its file, of all names its groups offer, and the groups themselves."""
    main, shared = _plain(f"{verb}.yaml"), _plain("base.yaml")
    groups = [group for entry in main.get("defaults", []) if not isinstance(entry, str) for group in entry]
    parts: list[tuple[str, Any]] = [("", main), ("", shared)]
    parts += [(f"{group}.", _plain(f"{group}/{name}.yaml")) for group in groups for name in options(group)]
    found = itertools.chain.from_iterable(_leaves(node, prefix) for prefix, node in parts)
    return sorted({key for key in found if not key.startswith(("defaults", "hydra"))} | set(groups))


def _plain(file: str) -> dict[str, Any]:
    return OmegaConf.to_container(OmegaConf.load(folder() / file), resolve=False)  # type: ignore[return-value]


def _leaves(node: dict[str, Any], prefix: str) -> Iterator[str]:
    for name, value in node.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def needed(cfg: DictConfig) -> None:
    """Refuse a configuration whose mandatory keys have no value, all of them at once."""
    missing = sorted(OmegaConf.missing_keys(cfg))
    if missing:
        raise UserError(", ".join(missing), "must be given", fix=f"Pass {' '.join(f'{key}=…' for key in missing)}.")


def counts(cfg: DictConfig, *names: str) -> None:
    """Refuse keys that are no whole number of at least 1, all of them at once."""
    wrong = [name for name in names if not (isinstance(OmegaConf.select(cfg, name), int) and OmegaConf.select(cfg, name) >= 1)]
    if wrong:
        given = ", ".join(f"{name}={OmegaConf.select(cfg, name)}" for name in wrong)
        raise UserError(
            ", ".join(wrong), "must be whole numbers of at least 1", got=given, fix=f"Pass for example {wrong[0]}=8."
        )
