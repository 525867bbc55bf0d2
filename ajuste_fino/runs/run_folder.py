"""The folder of one run: new, empty, and claimed by it alone."""

import itertools
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ajuste_fino.errors import UserError
from ajuste_fino.files import write_text
from ajuste_fino.places import require_writable
from ajuste_fino.runs.console import start_log
from ajuste_fino.runs.grammar import verbatim


def require_empty(out: Path, cfg: DictConfig) -> None:
    """Refuse to write among the files of another run, or where nothing can be written."""
    require_writable("out", out)
    if not named_by_time(cfg) and out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise UserError(
            "out", "must be a new or an empty folder", got=out, fix="Pass another, or leave it out for one named by the time."
        )


def named_by_time(cfg: DictConfig) -> bool:
    """Whether nobody gave `out`, so that another name will do where another run has that of this second."""
    return "${now:" in str(OmegaConf.to_container(cfg, resolve=False)["out"])  # type: ignore[index, call-overload]


def create_run_dir(out: Path, cfg: DictConfig) -> Path:
    """Make the run folder and return it; of two runs that want the same one, the second is refused or gets another."""
    out = claim(out, cfg)
    out.mkdir(parents=True, exist_ok=True)
    try:
        (out / "config.yaml").open("x").close()
    except FileExistsError as error:
        fix = "Another run has just started there; pass another folder."
        raise UserError("out", "must be a new or an empty folder", got=out, fix=fix) from error
    return out


def claim(out: Path, cfg: DictConfig) -> Path:
    """Return `out` as it was given; one that is named by the time is made now, so that no other run gets the same."""
    if named_by_time(cfg):
        out = _create_new(out)
        cfg.out = verbatim(str(out))
    return out


def _create_new(folder: Path) -> Path:
    """Make a folder that was not there: of that name, or with `_2`, `_3` … behind it."""
    names = (folder if n == 1 else folder.with_name(f"{folder.name}_{n}") for n in itertools.count(1))
    return next(name for name in names if _made(name))


def _made(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        return False
    return True


def open_run(out: Path, cfg: DictConfig) -> Path:
    """Create the run folder with its configuration, or go on in it; return it. From here on, its log has all that is said."""
    out = out if cfg.get("resume") else create_run_dir(out, cfg)
    start_log(out / "log.txt")
    save_config(out, cfg)
    return out


def save_config(out: Path, cfg: DictConfig) -> None:
    """Write `config.yaml` with all values resolved; a `${` that is part of a name is marked, so that it stays one."""
    text = OmegaConf.to_yaml(cfg, resolve=True)
    if "${" in text:
        text = OmegaConf.to_yaml(OmegaConf.create(_marked(OmegaConf.to_container(cfg, resolve=True))))
    write_text(out / "config.yaml", text)


def _marked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _marked(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_marked(one) for one in value]
    return verbatim(value) if isinstance(value, str) else value
