"""A YAML file of configuration as it stands: its keys, each with its default and the comment beside it.

Nothing is composed and neither Hydra nor torch is imported, so that help, completion and messages are there at once.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from ajuste_fino.errors import UserError

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
PACKAGE = "# @package "
NOT_KEYS = ("defaults", "hydra", "command")  # Hydra's own, and what the command fills in itself


class Key(NamedTuple):
    """A key of a file.

    `default` is its text in the file, empty for a key that only has keys below it. `inside` says that the key is part
    of another one's default: `low` in `lr: { low: 0.1, high: 1 }`.
    """

    name: str
    default: str
    comment: str
    inside: bool


class ConfFile(NamedTuple):
    """What a file's first comment says, its defaults list, its keys in their order.

    `package` is the key below which Hydra puts them, where the file says so: `# @package data.augment`; else it is empty.
    """

    description: str
    defaults: list[Any]
    keys: list[Key]
    package: str = ""

    @property
    def bases(self) -> list[str]:
        """The files that this one is built on, `base` or `/experiment`."""
        return [entry.lstrip("/") for entry in self.defaults if isinstance(entry, str) and entry != "_self_"]

    @property
    def groups(self) -> dict[str, str]:
        """The groups that it has, each with the default name."""
        pairs = (pair for entry in self.defaults if isinstance(entry, dict) for pair in entry.items())
        return {group: str(name) for group, name in pairs if not group.startswith("override")}


def read(path: Path) -> ConfFile:
    """Read a file.

    Raises:
        UserError: where it is no YAML with keys.
    """
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, LOADER)
        defaults = (yaml.load(text, LOADER) or {}).get("defaults", [])
    except yaml.MarkedYAMLError as error:
        where = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise UserError(str(path), f"must be YAML ({where}{error.problem})", fix="Correct the file.") from error
    except (UnicodeDecodeError, yaml.YAMLError, AttributeError) as error:
        raise UserError(str(path), f"must be a YAML file of keys ({error})", fix="Correct the file.") from error
    lines = [*text.splitlines(), ""]  # a block may end on the line after the last
    keys = [] if node is None else list(_keys(node, lines))
    keys = [key for key in keys if key.name.partition(".")[0] not in NOT_KEYS]
    return ConfFile(_description(lines), defaults, keys, lines[0].removeprefix(PACKAGE).strip() if PACKAGE in lines[0] else "")


def _keys(node: yaml.MappingNode, lines: list[str], prefix: str = "", inside: bool = False) -> Iterator[Key]:
    for key, value in node.value:
        name, has_keys = f"{prefix}{key.value}", isinstance(value, yaml.MappingNode)
        block = isinstance(value, yaml.CollectionNode) and not value.flow_style
        end = key.end_mark if block else value.end_mark
        yield Key(name, "" if block and has_keys else _text(value), _comment(lines[end.line][end.column :]), inside)
        if has_keys:
            yield from _keys(value, lines, f"{name}.", inside or not block)


def _text(node: yaml.Node) -> str:
    """The value of a key on one line; numbers stay as they are written in the file."""
    if isinstance(node, yaml.SequenceNode):
        return f"[{', '.join(_text(one) for one in node.value)}]"
    if isinstance(node, yaml.MappingNode):
        return "{" + ", ".join(f"{key.value}: {_text(value)}" for key, value in node.value) + "}"
    return repr(node.value) if node.style in ("'", '"') else node.value or "null"


def _comment(rest: str) -> str:
    text = rest.lstrip(" :")
    return text[1:].strip() if text.startswith("#") else ""


def _description(lines: list[str]) -> str:
    """The first comment line; `# @package …` is Hydra's."""
    first = next(line for line in lines if not line.startswith(PACKAGE))
    return first[1:].strip() if first.startswith("#") else ""
