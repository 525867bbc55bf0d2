"""The folder of one run: new, empty, and claimed by it alone."""

import itertools
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from ajuste_fino.errors import UserError
from ajuste_fino.files import write_text
from ajuste_fino.places import require_writable
from ajuste_fino.runs.console import start_log


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
        cfg.out = str(out)
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
    """Create the run folder with its configuration and return it; from here on, its log has all that is said."""
    out = create_run_dir(out, cfg)
    start_log(out / "log.txt")
    write_text(out / "config.yaml", OmegaConf.to_yaml(cfg, resolve=True))
    return out
