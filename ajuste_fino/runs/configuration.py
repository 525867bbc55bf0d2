"""From `key=value` to a configuration, and from Hydra's errors to messages that help."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from math import inf
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ajuste_fino.errors import UserError, nearest
from ajuste_fino.runs.allowed import targets

ARGUMENTS = (
    "optimizer.",
    "schedule.",
    "data.augment.",
    "backbone.arguments.",
    "space.",
)  # of classes, which know what they take
PATHS = ("data.root", "data.split", "backbone.weights", "run", "images", "out", "csv", "json", "storage")


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
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException

    inside = GlobalHydra.instance().is_initialized()  # within a verb, which Hydra has composed already
    try:
        with nullcontext() if inside else initialize_config_dir(str(folder()), version_base="1.3"):
            return hydra_compose(verb, [quoted(one) for one in overrides])
    except HydraException as error:
        raise explain(error, verb, overrides) from error


def refuse_foreign_hydra(verb: str, directory: str, overrides: Sequence[str]) -> None:
    """Configurations of the user's own may hold keys for the run, but none that change Hydra's own classes.

    Raises:
        UserError: where composing with them gives Hydra another `_target_` than without.
    """
    ours, theirs = (
        set(targets(_hydra_node(verb, more)))
        for more in ([], [f"hydra.searchpath=[{literal(f'file://{directory}')}]", *overrides])
    )
    if theirs - ours:
        fix = "Leave hydra out of these configurations."
        raise UserError(
            f"--config-dir {directory}", "must not change Hydra's own classes", got=", ".join(theirs - ours), fix=fix
        )


def _hydra_node(verb: str, overrides: Sequence[str]) -> Any:
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir

    with initialize_config_dir(str(folder()), version_base="1.3"):
        cfg = hydra_compose(verb, list(overrides), return_hydra_config=True)
    return OmegaConf.to_container(cfg.hydra, resolve=False)


def quoted(override: str, several: bool = False) -> str:
    """`data.root=a folder, with = signs` → the same with its value in quotes, which Hydra's grammar asks for.

    With `several` runs a comma separates paths, unless a path of that very name exists.
    """
    key, sign, value = override.partition("=")
    if not sign or key not in PATHS or not value or value[0] in "'\"" or value == "null":
        return override
    if key == "images" and value[0] == "[" and not Path(value).exists():
        return override
    if several and "," in value and not Path(value).exists():
        return f"{key}={','.join(literal(one) for one in value.split(','))}"
    return f"{key}={literal(value)}"


def literal(value: object) -> str:
    """A Python value, numpy's numbers among them, in the grammar of Hydra's overrides."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Real):
        return repr(float(value))
    if isinstance(value, list | tuple):
        return "[" + ",".join(literal(one) for one in value) + "]"
    text = str(value).replace("\\'", "\\\\'").replace("'", "\\'")
    return f"'{text}" + ("\\'" if text.endswith("\\") else "'")


def explain(error: Exception, verb: str, overrides: Sequence[str]) -> UserError:
    """What Hydra could not do, said with the nearest name that exists."""
    known = keys(verb)
    for override in overrides:
        key, _, value = override.lstrip("+~").partition("=")
        group, _, rest = key.partition(".")
        if (folder() / key).is_dir():
            unknown = [name for name in value.replace("'", "").split(",") if name not in options(key)]
            if unknown:
                rule = f"must be one of {', '.join(options(key))}"
                return UserError(key, rule, got=unknown[0], fix=nearest(unknown[0], options(key)))
        elif key not in known and not (override.startswith("+") and key.startswith(ARGUMENTS)):
            return UserError(f"The key {key}", f"is unknown to {verb.replace('/', ' ')}", fix=nearest(key, known))
        elif rest and (folder() / group).is_dir() and f"'{key}'" in str(error):
            having = [name for name in options(group) if rest in dict(plain(f"{group}/{name}.yaml"))]
            return UserError(key, f"is not a key of the {group} that is chosen", fix=f"{group}={'|'.join(having)} has it.")
    reason = str(error).splitlines()[0]
    return UserError(
        f"ajuste-fino {verb.replace('/', ' ')}",
        f"cannot read its arguments ({reason})",
        fix="Put values with commas or spaces in quotes.",
    )


def refuse_additions(verb: str, overrides: Sequence[str]) -> None:
    """`+key=value` would add a key that nothing reads: refused, unless it is an argument of a class that is named by key."""
    for override in overrides:
        key = override.lstrip("+").partition("=")[0]
        if override.startswith("+") and key not in keys(verb) and not key.startswith(ARGUMENTS):
            raise UserError(f"The key {key}", f"is unknown to {verb.replace('/', ' ')}", fix=nearest(key, keys(verb)))


def keys(verb: str) -> list[str]:
    """Every key of a verb: those of its file and of the files it is built on, of all names its groups offer, and the groups."""
    chain = _chain(verb)
    groups = [group for node in chain for entry in node.get("defaults", []) if not isinstance(entry, str) for group in entry]
    groups = [group for group in groups if not group.startswith("override")]
    parts: list[tuple[str, Any]] = [("", node) for node in chain]
    parts += [(f"{group}.", plain(f"{group}/{name}.yaml")) for group in groups for name in options(group)]
    found = itertools.chain.from_iterable(_leaves(node, prefix) for prefix, node in parts)
    return sorted({key for key in found if not key.startswith(("defaults", "hydra"))} | set(groups))


def _chain(name: str) -> list[dict[str, Any]]:
    """A file of `conf/`, and those that its defaults name without a group."""
    node = plain(f"{name}.yaml")
    below = [entry.lstrip("/") for entry in node.get("defaults", []) if isinstance(entry, str) and entry != "_self_"]
    return [node, *(one for entry in below for one in _chain(entry))]


def plain(file: str) -> dict[str, Any]:
    """A file of `conf/` as it stands, nothing composed."""
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


def numbers(cfg: DictConfig, rules: Mapping[str, tuple[type, float, float]]) -> None:
    """Refuse keys that are no number of their kind and range, all of them at once.

    Args:
        rules: by key, `int` or `float` and the least and the largest value.
    """
    wrong = [
        f"{key} ({_range(rule)}; got {OmegaConf.select(cfg, key)})" for key, rule in rules.items() if not _fits(cfg, key, rule)
    ]
    if wrong:
        raise UserError("These keys", f"must be numbers of their range: {', '.join(wrong)}", fix="Change them.")


def _fits(cfg: DictConfig, key: str, rule: tuple[type, float, float]) -> bool:
    kind, low, high = rule
    value = OmegaConf.select(cfg, key)
    known = isinstance(value, int) if kind is int else isinstance(value, int | float)
    return known and not isinstance(value, bool) and low <= value <= high


def _range(rule: tuple[type, float, float]) -> str:
    kind, low, high = rule
    what = "whole number" if kind is int else "number"
    return f"a {what} of at least {low:g}" if high == inf else f"a {what} from {low:g} to {high:g}"
