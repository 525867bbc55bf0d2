"""The run that `run=` names."""

import json
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from ajuste_fino.bundle_files import SUMS
from ajuste_fino.console import log
from ajuste_fino.errors import UserError
from ajuste_fino.files import existing

CONFIG, LAST = "config.yaml", "checkpoints/last.ckpt"
RUNS = Path("runs")  # where run folders are, unless out= says otherwise


def find_run(value: str, key: str = "run") -> Path:
    """Return the path that `run=` gives, or another key; `latest` is the run below `runs/` whose model was finished last.

    Raises:
        UserError: where there is none.
    """
    if value != "latest" or Path(value).exists():
        if not Path(value).exists() and get_close_matches(value, ["latest"]):
            raise UserError(key, "must be an existing path, or latest", got=value, fix=f"Did you mean {key}=latest?")
        return existing(key, value)
    bundles = sorted(_bundles(), key=lambda sums: sums.stat().st_mtime)
    if not bundles:
        fix = "Train first, or pass the folder of a run or of a bundle."
        raise UserError(f"{key}=latest", f"needs a run with a model in {RUNS.absolute()}, and there is none", fix=fix)
    run = bundles[-1].parents[1]
    log.info(f"{key}=latest is {run}{_stopped(run)}")
    return run.absolute()


def run_to_resume(value: str) -> Path:
    """Return the run folder that `resume=` gives; `latest` is the run below `runs/` that has last written a checkpoint.

    Raises:
        UserError: where there is none.
    """
    if value == "latest" and not Path(value).exists():
        return _latest_begun()
    path = find_run(value, "resume")
    if (folder := path.parent if path.name == CONFIG else path).joinpath(CONFIG).is_file():
        return folder
    above = [one for one in folder.parents[:2] if (one / CONFIG).is_file()]
    fix = f"Did you mean resume={above[0]}?" if above else f"Pass a folder that has the {CONFIG} of a run."
    raise UserError("resume", "must be the folder of a run of train", got=path, fix=fix)


def _latest_begun() -> Path:
    begun = [table.parent for depth in ("*", "*/*") for table in RUNS.glob(f"{depth}/split.csv")]
    files = [run / name for run in begun if (run / CONFIG).is_file() for name in (CONFIG, LAST)]
    if not (there := [path for path in files if path.is_file()]):
        fix = "Train first, or pass the folder of a run."
        raise UserError("resume=latest", f"needs a run in {RUNS.absolute()}, and there is none", fix=fix)
    newest = max(there, key=lambda path: path.stat().st_mtime)
    run = newest.parent if newest.name == CONFIG else newest.parents[1]
    log.info(f"resume=latest is {run}")
    return run.absolute()


def _stopped(run: Path) -> str:
    path = run / "metrics.json"
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # it is only for this sentence
        return ""
    return ", whose training was stopped" if isinstance(metrics, dict) and metrics.get("stopped") else ""


def _bundles() -> Iterator[Path]:
    """The last file of each bundle: of a run, of one of several runs, of a search's best one."""
    for depth in ("*", "*/*"):
        yield from RUNS.glob(f"{depth}/bundle/{SUMS}")
