"""Parse a command line and call the run function, once or several times."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from omegaconf import DictConfig, OmegaConf

from ajuste_fino.console import console
from ajuste_fino.errors import UserError
from ajuste_fino.files import existing
from ajuste_fino.places import user_path
from ajuste_fino.runs import conf, help, launch, typed
from ajuste_fino.runs.announce import announce
from ajuste_fino.runs.configuration import compose, refuse_unknown, require_keys
from ajuste_fino.runs.own_conf import refuse_foreign
from ajuste_fino.runs.words import gather, protect

Function = Callable[[DictConfig, Path], Any]
NAMES = ("-m", "--multirun", "-h", "--help", "--resolve", "-cd", "--config-dir", "-c", "--cfg", "--")
FLAGS = "Keys are given as key=value, without dashes. The flags are -m, --config-dir DIR, --cfg job, --resolve and --help."


class _Flags(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError("The command line", f"cannot be read ({message})", fix=FLAGS)


def _parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Return the flags, wherever they stand, and the overrides in their order."""
    parser = _Flags(add_help=False, allow_abbrev=False)
    for flags in (("-m", "--multirun"), ("-h", "--help"), ("--resolve",)):
        parser.add_argument(*flags, action="store_true")
    parser.add_argument("-cd", "--config-dir")
    parser.add_argument("-c", "--cfg", choices=["job"])
    parser.add_argument("overrides", nargs="*")
    found = parser.parse_intermixed_args(list(arguments))
    return found, found.overrides


def execute(config: str, arguments: Sequence[str], several: bool, load: Callable[[], Function], words: str = "") -> None:
    """Run a verb: compose its configuration, then call its function.

    Args:
        several: whether `-m` may ask for several runs.
        words: the key whose values bare words are, if any.
        load: imports the run function, when it is known that nothing is wrong with the keys.

    Raises:
        UserError: for a flag, a key or a name that does not exist.
    """
    known = conf.keys(config)
    typed.refuse_dashes(arguments, known)
    flags, overrides = _parse(protect(arguments, NAMES) if words else arguments)
    overrides = gather(overrides, words, known) if words else overrides
    typed.refuse_typographic(overrides)
    if flags.config_dir:
        existing("--config-dir", flags.config_dir)
    _refuse_hydra_itself(overrides)
    if flags.multirun and not several:
        fix = "Give one command for each; train -m compares several runs."
        raise UserError("-m", f"cannot be used with {config.partition('/')[0]}", fix=fix)
    refuse_unknown(config, overrides, flags.config_dir)
    if flags.multirun and any(one.lstrip("+").startswith("resume=") for one in overrides):
        fix = "Leave -m out, and pass the folder of one of the runs, such as resume=runs/…/1."
        raise UserError("resume", "goes on with one run, and -m begins several", fix=fix)
    if flags.help:
        print(help.of_verb(config, conf.choices(config, overrides), flags.config_dir))
    elif flags.cfg:
        print(OmegaConf.to_yaml(_compose(config, overrides, flags.config_dir), resolve=flags.resolve))
    elif flags.multirun:
        from ajuste_fino.runs import multirun  # brings matplotlib, which no other way needs

        multirun.execute(
            lambda job: _compose(config, job, flags.config_dir), multirun.jobs(overrides, config, flags.config_dir), load
        )
    else:
        cfg = _compose(config, overrides, flags.config_dir)
        require_keys(cfg)
        if config != "train":
            launch.refuse(cfg, config, "Leave it out; train is what works on several devices.")
        console.quiet = launch.follows(cfg)
        out = user_path("out", cfg.out)
        announce(config, cfg, typed.twice(overrides))
        load()(cfg, out)


def _compose(config: str, overrides: Sequence[str], directory: str | None) -> DictConfig:
    """Compose the configuration of a verb; a verb that asks for it by a key `command` learns what the command line was."""
    cfg = compose(config, overrides, directory)
    if directory:
        refuse_foreign(config, cfg, overrides, directory)
    if "command" in cfg:
        cfg.command = {"name": config.rpartition("/")[2], "overrides": list(overrides), "config_dir": directory}
    if cfg.trust and not any(one.startswith("trust=") for one in overrides):  # a file could come from anyone
        raise UserError("trust", "can be given on the command line only", got=list(cfg.trust), fix="Take it out of the file.")
    return cfg


def _refuse_hydra_itself(overrides: Sequence[str]) -> None:
    """Refuse keys of Hydra's own, which could make it look for configurations elsewhere.

    Raises:
        UserError: for any of them.
    """
    for override in overrides:
        key = override.lstrip("+~").partition("=")[0]
        if "hydra" in key.replace("@", ".").replace("/", ".").split("."):
            fix = "Pass out=DIR for the folder of several runs." if key == "hydra.sweep.dir" else "Leave it out."
            raise UserError("The key", "is Hydra's own and not to be changed", got=key, fix=fix)
