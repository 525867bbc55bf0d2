"""The run that `run=` names."""

from collections.abc import Iterator
from pathlib import Path

from ajuste_fino.bundle import SUMS
from ajuste_fino.console import log
from ajuste_fino.errors import UserError
from ajuste_fino.files import existing

RUNS = Path("runs")  # where run folders are, unless out= says otherwise


def find_run(value: str) -> Path:
    """Return the path that `run=` gives; `latest` is the run below `runs/` whose model was finished last.

    Raises:
        UserError: where there is none.
    """
    if value != "latest" or Path(value).exists():
        return existing("run", value)
    bundles = sorted(_bundles(), key=lambda sums: sums.stat().st_mtime)
    if not bundles:
        fix = "Train first, or pass the folder of a run or of a bundle."
        raise UserError("run=latest", f"needs a run with a model in {RUNS.absolute()}, and there is none", fix=fix)
    run = bundles[-1].parents[1]
    log.info(f"run=latest is {run}")
    return run.absolute()


def _bundles() -> Iterator[Path]:
    """The last file of each bundle: of a run, of one of several runs, of a search's best one."""
    for depth in ("*", "*/*"):
        yield from RUNS.glob(f"{depth}/bundle/{SUMS}")
