"""The folder of one run: new, empty, and claimed by it alone."""

from collections.abc import Iterable
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from ajuste_fino.errors import UserError
from ajuste_fino.files import write_text
from ajuste_fino.runs.console import log, start_log


def require_empty(out: Path) -> None:
    """Refuse to write among the files of another run."""
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise UserError(
            "out", "must be a new or an empty folder", got=out, fix="Pass another, or leave it out for one named by the time."
        )


def create_run_dir(out: Path) -> None:
    """Make the run folder; of two runs that want the same one, the second is refused."""
    out.mkdir(parents=True, exist_ok=True)
    try:
        (out / "config.yaml").open("x").close()
    except FileExistsError as error:
        raise UserError("out", "is another run's, started meanwhile", got=out, fix="Pass another.") from error


def open_run(out: Path, cfg: DictConfig, warnings: Iterable[str]) -> None:
    """Create the run folder with its configuration; from here on, messages go to its log as well."""
    create_run_dir(out)
    start_log(out / "log.txt")
    write_text(out / "config.yaml", OmegaConf.to_yaml(cfg, resolve=True))
    for warning in warnings:
        log.warning(warning)
