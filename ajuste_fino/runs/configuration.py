"""From `key=value` to a configuration, and from Hydra's errors to messages that help."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from ajuste_fino.errors import Range, UserError, nearest
from ajuste_fino.files import existing

ARGUMENTS = (
    "optimizer.",
    "schedule.",
    "data.augment.",
    "backbone.arguments.",
    "space.",
    "callbacks.",
    "logger.",
)  # of classes, which know what they take
GONE = {
    "trainer.devices": "A run uses one device.",
    "trainer.num_nodes": "A run uses one machine.",
    "trainer.strategy": "A run uses one device.",
    "phases.name": "phases=NAME chooses a schedule, phases.schedule has it.",
}
PATHS = ("data.root", "data.split", "backbone.weights", "run", "images", "out", "csv", "json", "storage")


def folder() -> Path:
    """`conf/`, inside the installed package or beside it in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def options(group: str) -> list[str]:
    """Return the names of a group: `options("optimizer")` → ["adagrad", "adam", …]."""
    return sorted(path.stem for path in (folder() / group).glob("*.yaml"))


def compose(config: str, overrides: Sequence[str], directory: str | None = None) -> DictConfig:
    """Compose the configuration of a verb: a file of `conf/`, changed by overrides.

    Args:
        directory: of configurations of the user's own, which are found beside those of `conf/`.

    Raises:
        UserError: for an unknown key or name, or a value that cannot be read.
    """
    from hydra import compose as hydra_compose
    from hydra.errors import HydraException

    theirs = [literal(f"file://{existing('--config-dir', directory)}")] if directory else []
    path = [f"hydra.searchpath=[{one}]" for one in theirs]
    try:
        with hydra_in_conf():
            cfg = hydra_compose(config, [*path, *(quoted(one) for one in overrides)], return_hydra_config=True)
    except (HydraException, ValueError) as error:
        raise explain(error, config, overrides, directory) from error
    if foreign := [name for name in targets(OmegaConf.to_container(cfg.hydra)) if not name.startswith("hydra.")]:
        fix = "Leave hydra out of these configurations."
        raise UserError(f"--config-dir {directory}", "must not change Hydra's own classes", got=", ".join(foreign), fix=fix)
    with open_dict(cfg):
        del cfg["hydra"]
    return cfg


@contextmanager
def hydra_in_conf() -> Iterator[None]:
    """Hydra at work in `conf/`; an application that uses Hydra itself has its own back afterwards."""
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    theirs = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(folder()), version_base="1.3"):
            yield
    finally:
        GlobalHydra.instance().hydra = theirs


def targets(node: Any) -> Iterator[str]:
    """Yield every `_target_` below a node of plain dictionaries and lists."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "_target_":
                yield str(value)
            yield from targets(value)
    elif isinstance(node, list):
        for value in node:
            yield from targets(value)


def quoted(override: str, several: bool = False) -> str:
    """`data.root=a folder, with = signs` → the same with its value in quotes, which Hydra's grammar asks for.

    With `several` runs a comma separates paths, unless a path of that very name exists.
    """
    key, sign, value = override.partition("=")
    if not sign or key not in PATHS or not value or value[0] in "'\"" or value == "null":
        return override
    if key == "images" and value[0] == "[" and not is_path(value):
        return override
    if several and "," in value and not is_path(value):
        return f"{key}={','.join(literal(one) for one in value.split(','))}"
    return f"{key}={literal(value)}"


def is_path(value: str) -> bool:
    """Whether there is a file or folder of that name; a list of many is longer than any name may be."""
    try:
        return Path(value).exists()
    except OSError:
        return False


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
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}: {literal(one)}" for key, one in value.items()) + "}"
    text = str(value).replace("\\'", "\\\\'").replace("'", "\\'")
    return f"'{text}" + ("\\'" if text.endswith("\\") else "'")


def explain(error: Exception, verb: str, overrides: Sequence[str], directory: str | None = None) -> UserError:
    """Turn an error of Hydra's into a message with the nearest name that exists, in `conf/` or the user's own folder."""
    known = keys(verb)
    for override in overrides:
        key, _, value = override.lstrip("+~").partition("=")
        group, _, rest = key.partition(".")
        if (folder() / key).is_dir():
            names = options(key) + ([path.stem for path in Path(directory, key).glob("*.yaml")] if directory else [])
            if unknown := [name for name in value.replace("'", "").split(",") if name not in names]:
                return UserError(key, f"must be one of {', '.join(names)}", got=unknown[0], fix=nearest(unknown[0], names))
        elif key not in known and not (override.startswith("+") and key.startswith(ARGUMENTS)):
            return UserError(
                f"The key {key}", f"is unknown to {verb.replace('/', ' ')}", fix=GONE.get(key) or nearest(key, known)
            )
        elif rest and (folder() / group).is_dir() and f"'{key}'" in str(error):
            having = [name for name in options(group) if rest in dict(plain(f"{group}/{name}.yaml"))]
            return UserError(key, f"is not a key of the {group} that is chosen", fix=f"{group}={'|'.join(having)} has it.")
    reason = str(error).splitlines()[0]
    fix = "Put values with commas or spaces in quotes" + (", or pass -m." if "Ambiguous value" in reason else ".")
    return UserError(f"ajuste-fino {verb.replace('/', ' ')}", f"cannot read its arguments ({reason})", fix=fix)


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


def require_keys(cfg: DictConfig) -> None:
    """Refuse a configuration whose mandatory keys have no value, all of them at once."""
    missing = sorted(OmegaConf.missing_keys(cfg))
    if missing:
        raise UserError(", ".join(missing), "must be given", fix=f"Pass {' '.join(f'{key}=…' for key in missing)}.")


def validate_ranges(cfg: DictConfig, ranges: Mapping[str, Range]) -> None:
    """Refuse keys whose values are not numbers in their range, all of them at once."""
    values = {key: OmegaConf.select(cfg, key) for key in ranges}
    wrong = [f"{key} ({ranges[key]}; got {value})" for key, value in values.items() if value not in ranges[key]]
    if wrong:
        raise UserError("These keys", f"must be numbers of their range: {', '.join(wrong)}", fix="Change them.")
