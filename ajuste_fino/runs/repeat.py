"""`config=RUN` repeats a run, `resume=RUN` goes on with it: what it saved becomes overrides, and those given come on top."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ajuste_fino.errors import UserError
from ajuste_fino.files import expanded
from ajuste_fino.runs import conf
from ajuste_fino.runs.grammar import literal, verbatim
from ajuste_fino.runs.latest import run_to_resume
from ajuste_fino.runs.saved import leaves, load

NOT_TAKEN = ("config", "resume", "out", "trust")  # a run has its own folder, and a file of unknown origin trusts nobody


def repeated(config: str, overrides: Sequence[str]) -> list[str]:
    """Put the overrides that make the run of `config=` before those that are given.

    A group that is given a name, `optimizer=adam`, is not taken from the run at all.

    Args:
        config: the verb.
        overrides: in Hydra's grammar, paths in quotes.

    Raises:
        UserError: where there is no such run, or its configuration is not one of this verb.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser

    named = [one.lstrip("+") for one in overrides if one.lstrip("+").startswith(("config=", "resume="))]
    if len({one.partition("=")[0] for one in named}) > 1:
        fix = "Pass resume= to go on with a run, config= to repeat it in a folder of its own."
        raise UserError("resume", "cannot be given with config", fix=fix)
    path = OverridesParser.create().parse_override(named[-1]).value() if named else None
    if path is None:
        return list(overrides)
    key = named[-1].partition("=")[0]
    if not str(path).strip():
        raise UserError(key, "must not be empty", fix="Pass the folder of a run, or leave it out.")
    named_groups = conf.choices(config, overrides)
    given = str(path).replace(r"\${", "${")  # as OmegaConf reads what `quoted` marked
    run = run_to_resume(given) if key == "resume" else None
    saved = load(config, given if run is None else str(run), key)
    groups = {*named_groups, *conf.following(named_groups)}
    alone = NOT_TAKEN if key == "resume" else (*NOT_TAKEN, "time")  # which a repeated run has in its schedule already
    taken = _without(saved, [*alone, *map(conf.package, groups)])
    if run is not None:
        overrides = [*_in_its_folder(overrides, run), f"out={literal(verbatim(str(run)))}"]
    return [*_overrides(config, taken, saved), *overrides]


def _in_its_folder(overrides: Sequence[str], run: Path) -> list[str]:
    """Leave out the folder of a run that is gone on with; refuse another.

    Raises:
        UserError: for another.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser

    given = [one for one in overrides if one.lstrip("+").startswith("out=")]
    for value in (OverridesParser.create().parse_override(one).value() for one in given):
        if expanded(str(value)).absolute().resolve() != run.resolve():
            rule = "cannot be given with resume: a run is gone on with in its own folder"
            raise UserError("out", rule, got=value, fix="Leave it out, or pass config= in the place of resume=.")
    return [one for one in overrides if one not in given]


def _without(saved: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """What was saved, but for these keys, of which one may lie below another: `data.augment`."""
    below = {key.partition(".")[0]: key.partition(".")[2] for key in keys if "." in key}
    taken = {key: value for key, value in saved.items() if key not in keys}
    inside = {key: _without(taken[key], [rest]) for key, rest in below.items() if isinstance(taken.get(key), dict)}
    return {**taken, **inside}


def _overrides(config: str, taken: Mapping[str, Any], saved: Mapping[str, Any]) -> list[str]:
    """The fewest overrides that make of a verb's defaults what is taken of what was saved."""
    chosen = {group: _likeliest(group, saved) for group in conf.groups(config) if group in taken}
    topics = conf.topics(config, chosen)
    defaults = {key.name: key.default for topic in topics for key in topic.keys if key.default}
    values = {key: one for key, one in leaves(taken) if key not in chosen}
    changed = [f"++{key}={literal(one)}" for key, one in values.items() if not _gives(defaults.get(key), key, one, saved)]
    absent = [key for key in defaults if not any(f"{one}.".startswith(f"{key}.") for one in values)]
    return [
        *(f"{group}={name}" for group, name in chosen.items()),
        *changed,
        *(f"~{key}" for key in absent if _is_argument(key, taken)),  # any other is newer than the run: its default serves
    ]


def _likeliest(group: str, saved: Mapping[str, Any]) -> str:
    """The name of a group whose keys and values are most like those that were saved; a file may also have its name.

    Where the group has a key `name`, it is decisive.
    """
    if isinstance(saved[group], str):
        return str(saved[group])
    values = dict(leaves({group: saved[group]}))

    def likeness(name: str) -> tuple[bool, int]:
        defaults = {f"{group}.{key.name}": key.default for key in conf.members(group, name) if key.default}
        same = [key for key in defaults if key in values and _gives(defaults[key], key, values[key], saved)]
        return f"{group}.name" in same, len(same) - len(defaults.keys() - values.keys())

    return max(conf.options(group), key=likeness)


def _gives(default: str | None, key: str, value: Any, saved: Mapping[str, Any]) -> bool:
    """Whether the text of a default, which may be one like `${epochs}`, gives that value in that run."""
    if default is None:
        return False
    plain = _plain(OmegaConf.create(f"default: {default}"))["default"]
    if "${" not in default:
        return bool(plain == value)
    probe = OmegaConf.create({**saved})
    try:
        OmegaConf.update(probe, key, plain)
        found = OmegaConf.select(probe, key)
    except OmegaConfBaseException:  # it needs a key that the run did not have
        return False
    return bool(_plain(found) == value)


def _plain(node: Any) -> Any:
    return OmegaConf.to_container(node) if OmegaConf.is_config(node) else node


def _is_argument(key: str, taken: Mapping[str, Any]) -> bool:
    """Whether a key would be an argument of a class that was saved, whose arguments were saved with it."""
    node: Any = taken
    for part in key.split(".")[:-1]:
        node = node.get(part) if isinstance(node, dict) else None
    return isinstance(node, dict) and "_target_" in node
