"""Values of another kind than their key's: an empty text, a text for a number, a list for one value; and what was meant."""

import re
from collections.abc import Iterator, Mapping
from math import inf, isfinite
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ajuste_fino.errors import Range, UserError
from ajuste_fino.runs import conf
from ajuste_fino.runs.grammar import literal

EXAMPLES = {
    "data.augment._target_": "mine.Augment",
    "run": "latest",
    "images": "new.jpg",
    "data.root": "photos",
    "limit_gb": "5",
}
LISTS = ("backbone.filters",)  # a number, or a list of them
SIGNS = str.maketrans({"−": "-", "–": "-", "—": "-", "\u00a0": None, "\u202f": None, " ": None, "'": None, '"': None})
WIDTH = 3  # digits between two separators of thousands


def refuse_wrong_kinds(config: str, cfg: DictConfig, directory: str | None = None) -> None:
    """Refuse a value that is empty, or of another kind than the default that `conf/` gives its key; numbers have ranges.

    Raises:
        UserError: for the first of them.
    """
    try:
        values = OmegaConf.to_container(cfg, resolve=True)
    except OmegaConfBaseException as error:
        reason = str(error).splitlines()[0]
        fix = r"Give the key that ${…} names, or write \${…} where it is meant as it stands."
        raise UserError("The configuration", f"cannot be read ({reason})", fix=fix) from error
    defaults, nodes = conf.defaults(config, directory), [conf.package(group) for group in conf.groups(config)]
    for key, default in defaults.items():
        value = _at(values, key)
        if _is_empty(value):
            fix = f"Pass for example {key}={EXAMPLES[key]}." if key in EXAMPLES else "Give it a value, or leave it out."
            raise UserError(key, "must not be empty", fix=fix)
        named = f"{key}._target_" in defaults and key not in nodes  # a class, whose arguments are judged where it is looked up
        if rule := None if named else _broken_rule(default, value):
            raise UserError(key, rule, got=shown(value), fix="Change it.")


def _at(values: Any, key: str) -> Any:
    """The value of a key in nested dictionaries; None: there is no such key."""
    for part in key.split("."):
        values = values.get(part) if isinstance(values, dict) else None
    return values


def _is_empty(value: Any) -> bool:
    return any(map(_is_empty, value)) if isinstance(value, list) else isinstance(value, str) and not value.strip()


def _broken_rule(default: str, value: Any) -> str | None:
    """The rule that a value breaks by its kind; None where it breaks none."""
    if value is None:
        return None
    if default == "":
        return None if isinstance(value, dict) else "must have keys of its own"
    if default in ("true", "false"):
        return None if isinstance(value, bool) else "must be true or false"
    is_text = default not in ("null", "???") and default[0] not in "[{$" and _number(default) is None
    return "must be one value" if is_text and isinstance(value, list | dict) else None


def number_ranges(config: str, cfg: DictConfig) -> dict[str, Range]:
    """The numbers of a configuration whose range no room gives, such as arguments of an optimizer: any number."""
    values, defaults = OmegaConf.to_container(cfg, resolve=True), conf.defaults(config)
    numeric = [key for key, text in defaults.items() if _number(_followed(text, defaults)) is not None and key not in LISTS]
    return {key: Range(float, -inf) for key in numeric if _at(values, key) is not None}


def _followed(text: str, defaults: Mapping[str, str]) -> str:
    """The text of a default, or of the key that it refers to."""
    return defaults.get(text[2:-1], text) if text.startswith("${") else text


def shown(value: Any) -> str:
    """A value as it is typed; a text that looks like a number in quotes."""
    looks = isinstance(value, str) and _number(value) is not None
    if value is None or isinstance(value, bool):
        return literal(value)
    return repr(value) if looks else str(value)


def meant(key: str, value: Any, allowed: Range) -> str:
    """What was probably meant by a value that is not allowed: a sentence."""
    value = OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
    for one in _readings(value, allowed.kind is int):
        if one in allowed:
            return f"Write {key}={one!r}."
    if isinstance(value, list) and len(value) > 1:
        return f"For several runs pass -m {key}={','.join(map(str, value))}."
    return "Change it."


def _readings(value: Any, whole: bool) -> Iterator[int | float]:
    """The numbers that a value may stand for, the likeliest first."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
        yield value
    if isinstance(value, float) and value.is_integer():
        yield int(value)
    if not isinstance(value, str):
        return
    text = value.translate(SIGNS)
    if text.endswith("%") and (share := _number(text[:-1].replace(",", "."))) is not None:
        yield float(f"{share / 100:.12g}")
    before, comma, after = text.partition(",")
    separated = comma and len(after) == WIDTH and before.lstrip("-") not in ("", "0")
    yield from (one for one in [_number(text.replace(",", "" if separated and whole else "."))] if one is not None)


def _number(text: str) -> int | float | None:
    """The finite number that a text is; None: it is none."""
    if re.fullmatch(r"[+-]?\d+", text):
        return int(text)
    try:
        found = float(text)
    except ValueError:
        return None
    return found if isfinite(found) else None
