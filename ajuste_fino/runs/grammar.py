"""Values in the grammar of Hydra's overrides."""

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path

PATHS = (
    "config",
    "resume",
    "data.root",
    "data.split",
    "data.corrections",
    "backbone.weights",
    "features.from",
    "run",
    "images",
    "out",
    "csv",
    "json",
    "storage",
)
LISTS = ("choose.backbones",)  # of words that may have a path behind =


def quoted(override: str, several: bool = False) -> str:
    """`data.root=a folder, with = signs` → the same with its value in quotes, which Hydra's grammar asks for.

    With `several` runs a comma separates paths, unless a path of that very name exists.
    """
    key, sign, value = override.partition("=")
    if key in LISTS and value not in ("", "null"):
        words = [one.strip() for one in value.removeprefix("[").removesuffix("]").split(",")]
        return override if any(word[:1] in ("'", '"', "{") for word in words) else f"{key}={literal(words)}"
    if not sign or key not in PATHS or not value or value[0] in "'\"" or value == "null":
        return override
    if key == "images" and value[0] == "[" and not is_path(value):
        return override
    if several and "," in value and not is_path(value):
        return f"{key}={','.join(literal(one) for one in value.split(','))}"
    return f"{key}={literal(verbatim(value) if is_path(value) else value)}"


def without(overrides: Sequence[str], keys: Sequence[str]) -> list[str]:
    """Leave out the overrides of some keys, and of all keys below them: of `find`, also `find.steps=50`."""
    named = [(one, one.lstrip("+~").partition("=")[0]) for one in overrides]
    return [one for one, name in named if not any(f"{name}.".startswith(f"{key}.") for key in keys)]


def verbatim(path: str) -> str:
    """A path as a configuration keeps it: `${` in it begins no interpolation."""
    return path.replace("${", r"\${")


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
