"""From `key=value` to a configuration, and from Hydra's errors to messages that help."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from ajuste_fino.errors import Range, UserError
from ajuste_fino.files import existing
from ajuste_fino.runs import extracted_keys, own_weights
from ajuste_fino.runs.conf import ARGUMENTS, choices, folder, groups, having, implied, keys, options, unknown_name
from ajuste_fino.runs.grammar import literal, quoted
from ajuste_fino.runs.kinds import EXAMPLES, meant, refuse_wrong_kinds, shown
from ajuste_fino.runs.repeat import repeated
from ajuste_fino.runs.suggest import of_bare_word, suggestion
from ajuste_fino.trust import packages
from ajuste_fino.url import refuse_secrets

CLOSED = ("data",)  # groups that take no name but those of conf/


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
            whole = repeated(config, [_named(config, quoted(one)) for one in overrides])
            whole = [*own_weights.implied(config, whole), *extracted_keys.implied(config, whole), *whole]
            cfg = hydra_compose(config, [*path, *implied(config, whole, directory), *whole], return_hydra_config=True)
    except (HydraException, ValueError) as error:
        raise explain(error, config, overrides, directory) from error
    if foreign := [name for name in targets(OmegaConf.to_container(cfg.hydra)) if not name.startswith("hydra.")]:
        fix = "Leave hydra out of these configurations."
        raise UserError(f"--config-dir {directory}", "must not change Hydra's own classes", got=", ".join(foreign), fix=fix)
    with open_dict(cfg):
        del cfg["hydra"]
    for key in ("data.root", "out", "features.from", "storage"):
        with suppress(OmegaConfBaseException):  # a value that refers to what is not there is refused where it is used
            refuse_secrets(key, OmegaConf.select(cfg, key, throw_on_missing=False))
    refuse_wrong_kinds(config, cfg, directory)
    return cfg


def _named(config: str, override: str) -> str:
    """`backbone=resnet18` → `backbone.name=resnet18` for a verb with that key and without the group that Hydra looks for."""
    group, sign, name = override.partition("=")
    if not sign or not options(group) or group in groups(config) or f"{group}.name" not in keys(config):
        return override
    if group in CLOSED and name not in options(group):
        return override
    return f"{group}.name={name}"


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


def explain(error: Exception, verb: str, overrides: Sequence[str], directory: str | None = None) -> UserError:
    """Turn an error of Hydra's into a message with the nearest name that exists, in `conf/` or the user's own folder."""
    known = keys(verb, choices(verb, overrides), directory)
    for override in overrides:
        key, _, value = override.lstrip("+~").partition("=")
        if key in groups(verb):
            names = options(key, directory)
            if unknown := [name for name in value.replace("'", "").split(",") if name not in names]:
                return unknown_name(key, unknown[0], names)
        elif key not in known and not (override.startswith("+") and key.startswith(ARGUMENTS)):
            return _unknown_key(key, verb, known)
        elif "." in key and f"'{key}'" in str(error):
            group, names = having(verb, key)
            if names:
                fix = f"{group}={'|'.join(names)} has it."
                return UserError(key, f"is not a key of the {group} that is chosen", fix=fix)
        elif below := [one for one in known if one.startswith(f"{key}.")]:
            return UserError(key, "has keys of its own", got=value, fix=f"Pass one of them: {', '.join(below)}.")
        elif re.fullmatch(r"[-+\d.,]+", value) and "," in value:
            fix = f"For several runs pass -m {key}={value}."
            if value.count(",") == 1 and "." not in value:
                fix = f"A decimal is written with a point: {key}={value.replace(',', '.')}. {fix}"
            return UserError(key, "must be one value", got=value, fix=fix)
    reason = str(error).splitlines()[0]
    fix = "Put values with commas, spaces or letters beyond a to z in quotes, KEY='…'."
    if "Ambiguous value" in reason:
        fix = "For several runs pass -m; else put the value in quotes."
    return UserError(f"ajuste-fino {verb.replace('/', ' ')}", f"cannot read its arguments ({reason})", fix=fix)


def _unknown_key(key: str, verb: str, known: Sequence[str]) -> UserError:
    return UserError(f"The key {key}", f"is unknown to {verb.replace('/', ' ')}", fix=suggestion(key, known))


def refuse_unknown(verb: str, overrides: Sequence[str], directory: str | None = None) -> None:
    """Refuse what is no `key=value`, and an unknown key unless it is an argument of a class that is named by key."""
    known = keys(verb, choices(verb, overrides), directory)
    for position, override in enumerate(overrides):
        key, sign, _ = override.lstrip("+~").partition("=")
        if not sign and not override.startswith("~"):
            fix = of_bare_word(overrides, position, known)
            raise UserError(override, "must be given as key=value", fix=fix)
        if key not in known and not key.startswith(ARGUMENTS):
            raise _unknown_key(key, verb, known)


def plain(file: str) -> dict[str, Any]:
    """A file of `conf/` as it stands, nothing composed."""
    return OmegaConf.to_container(OmegaConf.load(folder() / file), resolve=False)  # type: ignore[return-value]


def require_keys(cfg: DictConfig) -> None:
    """Refuse a configuration whose mandatory keys have no value, all of them at once."""
    missing = sorted(OmegaConf.missing_keys(cfg))
    if missing:
        given = " ".join(f"{key}={EXAMPLES.get(key, '…')}" for key in missing)
        raise UserError(", ".join(missing), "must be given", fix=f"Pass for example {given}.")


def validate_ranges(cfg: DictConfig, ranges: Mapping[str, Range]) -> None:
    """Refuse keys whose values are not numbers in their range, all of them at once; a class that is named has its own keys."""
    values = {key: OmegaConf.select(cfg, key) for key in ranges if not _lacks(cfg, key)}
    wrong = [(key, value) for key, value in values.items() if value not in ranges[key]]
    wrong = [pair for pair in wrong if not refers(cfg, pair[0])] or wrong  # what it refers to is wrong
    if wrong:
        (key, value), *others = wrong
        rest = [f"{other} must be {ranges[other]}; got {shown(one)}." for other, one in others]
        fix = " ".join([*rest, "Change them." if rest else meant(key, value, ranges[key])])
        raise UserError(key, f"must be {ranges[key]}", got=shown(value), fix=fix)


def _lacks(cfg: DictConfig, key: str) -> bool:
    """Whether a key is none of those of a class that `_target_` names beside it."""
    above, _, name = key.rpartition(".")
    node = OmegaConf.select(cfg, above) if above else None
    return isinstance(node, DictConfig) and "_target_" in node and name not in node


def refers(cfg: DictConfig, key: str) -> bool:
    """Whether the value of a key is that of another, `${epochs}`."""
    above, _, name = key.rpartition(".")
    node = OmegaConf.select(cfg, above) if above else cfg
    return OmegaConf.is_config(node) and name in node and OmegaConf.is_interpolation(node, name)


def trusted(cfg: DictConfig) -> list[str]:
    """The packages that the command line trusts."""
    return packages(OmegaConf.to_container(cfg.trust) if OmegaConf.is_config(cfg.trust) else cfg.trust)
