"""Configurations of the user's own: what is wrong in one of them is told before anything runs."""

from collections.abc import Sequence

from omegaconf import DictConfig, OmegaConf

from ajuste_fino.errors import UserError
from ajuste_fino.runs import conf
from ajuste_fino.runs.saved import unknown
from ajuste_fino.runs.suggest import suggestion

BASES = {"data": "folder", "backbone": "resnet18"}  # of each group whose code asks for a name, one to build on


def refuse_foreign(config: str, cfg: DictConfig, overrides: Sequence[str], directory: str) -> None:
    """Refuse keys that nothing reads, and a file of a group that lacks what all of ours have.

    Raises:
        UserError: for either.
    """
    for group, name in conf.choices(config, overrides).items():
        if name not in conf.options(group):
            _require_package(group, name, directory)
            _require_base(group, name, cfg)
    known, composed = conf.keys(config), {str(key): value for key, value in OmegaConf.to_container(cfg).items()}  # type: ignore[union-attr]
    composed.pop("command", None)  # which the command fills in
    if foreign := unknown(composed, known):
        fix = suggestion(foreign[0], known)
        raise UserError(f"--config-dir {directory}", "has keys that nothing reads", got=", ".join(foreign), fix=fix)


def _require_package(group: str, name: str, directory: str) -> None:
    if conf.conf_file(f"{group}/{name}", directory).package != (package := conf.package(group)) != group:
        fix = f"Let its first line be: # @package {package}"
        raise UserError(f"{group}/{name}.yaml", f"must say that its keys are those of {package}", fix=fix)


def _require_base(group: str, name: str, cfg: DictConfig) -> None:
    if group in BASES and OmegaConf.select(cfg, f"{group}.name", default=None) is None:
        fix = f"Build it on one of {', '.join(conf.options(group))}, with a line such as defaults: [{BASES[group]}]."
        raise UserError(f"{group}/{name}.yaml", "lacks the key name, and others of its group", fix=fix)
