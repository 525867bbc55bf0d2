"""`conf/` as its files say it: the names of a group, the keys of a verb, by topic."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from ajuste_fino.errors import UserError
from ajuste_fino.runs.conf_file import ConfFile, Key, read

ARGUMENTS = (
    "optimizer.",
    "schedule.",
    "data.augment.",
    "backbone.arguments.",
    "space.",
    "callbacks.",
    "logger.",
)  # of classes, which know what they take
DECIDING = ("preset", "data", "phases")  # groups whose names decide those of others, by the files of conf/by_GROUP
OTHERWISE = {  # what was probably meant by a name that is like none of its group
    "data": "For images of your own, pass data=folder data.root={}.",
    "backbone": "For another network of torchvision or timm, pass backbone.name={}.",
}


@dataclass(frozen=True)
class Topic:
    """Keys that belong together: those of a verb's own file, or of the chosen one of the `names` of a group."""

    name: str
    description: str
    keys: list[Key]
    names: Sequence[str] = ()
    chosen: str = ""


def folder() -> Path:
    """`conf/`, inside the installed package or beside it in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def options(group: str, directory: str | None = None) -> list[str]:
    """Return the names of a group, those in the user's own directory too: `options("optimizer")` → ["adadelta", …]."""
    return sorted({path.stem for root in _roots(directory) for path in (root / group).glob("*.yaml")})


@cache
def package(group: str) -> str:
    """The key below which those of a group lie: its own name, or what its files say, `data.augment` for `augment`."""
    return next((conf_file(f"{group}/{name}").package for name in options(group)), "") or group


def topics(config: str, choices: Mapping[str, str], directory: str | None = None) -> list[Topic]:
    """The keys of a verb by topic: its own, those of its groups, those of the files it is built on.

    Args:
        config: a file of `conf/`, such as `train` or `lecture/relu`.
        choices: names of groups that are chosen instead of the default ones.
        directory: of configurations of the user's own.

    Raises:
        UserError: for a name that its group lacks.
    """
    file = conf_file(config, directory)
    found = [Topic(config, file.description, file.keys)]
    names = {**file.groups, **_implied_names(file.groups, choices, directory), **choices}
    for group in file.groups:
        topic = _topic(group, names[group], directory)
        found = [*(_without(one, topic.keys) for one in found), topic]  # of two groups with a key, the later one has it
    own = file.keys
    for base in file.bases:
        below = topics(base, choices, directory)
        found += [_without(topic, own) for topic in below]
    return found


def _without(topic: Topic, others: Sequence[Key]) -> Topic:
    names = {key.name for key in others}
    return replace(topic, keys=[key for key in topic.keys if key.name not in names])


def _implied_names(defaults: Mapping[str, str], chosen: Mapping[str, str], directory: str | None) -> dict[str, str]:
    """The names of groups that follow from those of others; in doubt the later of `DECIDING` decides."""
    found: dict[str, str] = {}
    for group in DECIDING:
        found |= _by(group, {**defaults, **found, **chosen}.get(group, ""), directory)
    return found


def following(named: Mapping[str, str]) -> dict[str, str]:
    """The names of groups that follow from those that are named, and would not be those of a default."""
    return _implied_names({}, named, None)


def _by(group: str, name: str, directory: str | None) -> dict[str, str]:
    """The names of other groups that a name of a group, or what it is built on, has in `conf/by_GROUP/`."""
    if name in options(f"by_{group}", directory):
        return {key.name: key.default for key in conf_file(f"by_{group}/{name}", directory).keys}
    bases = conf_file(f"{group}/{name}", directory).bases if name in options(group, directory) else []
    return next((names for base in bases if (names := _by(group, base.removeprefix(f"{group}/"), directory))), {})


def implied(config: str, overrides: Sequence[str], directory: str | None = None) -> list[str]:
    """Overrides that go without saying: `backbone=embedded` where the digits are trained on, `augment=` of `phases=full`.

    Hydra has no way to let one group's choice decide another's default, unless every verb with the one has the other.
    """
    there = conf_file(config, directory)
    if "data" not in there.groups:
        bases = [base for base in there.bases if conf_file(base, directory).groups]
        return implied(bases[0], overrides, directory) if bases else []
    names = _implied_names(there.groups, choices(config, overrides), directory)
    given = {override.lstrip("+~").partition("=")[0] for override in overrides}
    return [f"{group}={name}" for group, name in names.items() if group in there.groups and group not in given]


def keys(config: str, choices: Mapping[str, str] | None = None, directory: str | None = None) -> list[str]:
    """Every key of a verb: those of its topics, its groups, and the keys of all names in `conf/` that the groups offer."""
    found: set[str] = set()
    for topic in topics(config, choices or {}, directory):
        found |= {key.name for key in topic.keys} | ({topic.name} if topic.names else set())
        names = options(topic.name) if topic.names else []
        above = package(topic.name) if topic.names else ""
        found |= {f"{above}.{key.name}" for name in names for key in members(topic.name, name)}
    return sorted(found)


def defaults(config: str, directory: str | None = None) -> dict[str, str]:
    """The default of every key of a verb and of all names of its groups, as its text in `conf/`; not of a search's space.

    The text is empty for a key that has keys of its own.
    """
    found: dict[str, str] = {}
    for topic in topics(config, {}, directory):
        names = options(topic.name) if topic.names else []  # not the user's own files: one that is not chosen may be broken
        above = package(topic.name) if topic.names else ""
        here = [key._replace(name=f"{above}.{key.name}") for name in names for key in members(topic.name, name)]
        for key in here if topic.names else topic.keys:
            if not key.inside and not f"{key.name}.".startswith("space."):
                found.setdefault(key.name, key.default)
    return found


def groups(config: str) -> list[str]:
    """The groups of a verb, each of which takes a name: `data`, `backbone`, …"""
    return [topic.name for topic in topics(config, {}) if topic.names]


def having(config: str, key: str) -> tuple[str, list[str]]:
    """The group that a key is of, and its names that have that key; without a group, an empty one."""
    for group in sorted(groups(config), key=package, reverse=True):  # data.augment comes before data
        above = f"{package(group)}."
        if key.startswith(above):
            names = [name for name in options(group) if key.removeprefix(above) in [one.name for one in members(group, name)]]
            return group, names
    return "", []


def choices(config: str, overrides: Sequence[str]) -> dict[str, str]:
    """The names of groups that overrides choose, of several the first: `optimizer=sgd epochs=5` → {"optimizer": "sgd"}."""
    pairs = (override.lstrip("+").partition("=") for override in overrides)
    found = {key: value.partition(",")[0].strip("'\"") for key, _, value in pairs if key in groups(config)}
    return {key: name for key, name in found.items() if "(" not in name}  # optimizer=glob(adam*) is Hydra's to expand


def members(group: str, name: str, directory: str | None = None) -> list[Key]:
    """The keys of one name of a group; a file that builds on another of its group, `defaults: [folder]`, changes its keys.

    Raises:
        UserError: for a name that the group lacks.
    """
    names = options(group, directory)
    if name not in names:
        raise unknown_name(group, name, names)
    file, found = conf_file(f"{group}/{name}", directory), dict[str, Key]()
    for base in (one.removeprefix(f"{group}/") for one in file.bases):
        if base not in names:
            raise unknown_name(group, base, names, f"The defaults list of {group}/{name}.yaml")
        found |= {key.name: key for key in members(group, base, directory)}
    for key in file.keys:
        inherited = found[key.name].comment if key.name in found else ""
        found[key.name] = key._replace(comment=key.comment or inherited)
    return list(found.values())


def backbone_name(option: str) -> str:
    """The network that a short name stands for, as its file in `conf/backbone` says."""
    return next(key.default for key in members("backbone", option) if key.name == "name")


def unknown_name(group: str, name: str, names: Sequence[str], where: str | None = None) -> UserError:
    """The message for a name that a group lacks, given on the command line or `where`."""
    close = get_close_matches(name.lower(), names, n=1)
    otherwise = OTHERWISE.get(group, "" if close else "Choose one of them.").format(name)
    fix = " ".join([*([f"Did you mean {close[0]}?"] if close else []), otherwise]).strip()
    return UserError(where or group, f"must {'name' if where else 'be'} one of {', '.join(names)}", got=name, fix=fix)


def conf_file(name: str, directory: str | None = None) -> ConfFile:
    """The file `conf/NAME.yaml`, or that of the user's own directory.

    Raises:
        UserError: where there is none, or it is no YAML with keys.
    """
    paths = [root / f"{name}.yaml" for root in _roots(directory)]
    return read(next((path for path in paths if path.is_file()), paths[-1]))


def _topic(group: str, name: str, directory: str | None) -> Topic:
    above = package(group)
    found = [key._replace(name=f"{above}.{key.name}") for key in members(group, name, directory)]
    description = conf_file(f"{group}/{name}", directory).description
    return Topic(group, description, found, options(group, directory), name)


def _roots(directory: str | None) -> list[Path]:
    return [folder(), *([Path(directory).expanduser()] if directory else [])]
