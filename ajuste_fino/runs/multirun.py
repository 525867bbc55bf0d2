"""`-m`: run a verb several times, then write one table and one figure."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig
from rich.table import Column, Table

from ajuste_fino.console import screen
from ajuste_fino.errors import AjusteFinoError, Diverged, UserError
from ajuste_fino.escape import printable
from ajuste_fino.files import write_csv
from ajuste_fino.places import require_writable, user_path
from ajuste_fino.report.compare import curves, key_map
from ajuste_fino.runs import launch
from ajuste_fino.runs.configuration import explain, hydra_in_conf
from ajuste_fino.runs.console import log, start_log
from ajuste_fino.runs.grammar import quoted, verbatim
from ajuste_fino.runs.run_folder import claim

COLUMNS = ("val/accuracy", "val/loss", "test/accuracy", "test/macro_f1", "epoch", "time/total_s")
ON_SCREEN = 3  # of these columns; the file has all


@dataclass
class Job:
    """One of several runs: its overrides, its folder, and its metrics, which are empty where it diverged."""

    overrides: list[str]
    folder: Path
    metrics: dict[str, Any] = field(default_factory=dict)


def jobs(overrides: Sequence[str], config: str, directory: str | None = None) -> list[list[str]]:
    """Return the overrides of each run: every combination of the values that are separated by commas.

    Raises:
        UserError: for an override that cannot be read.
    """
    try:
        with hydra_in_conf():
            parser = OverridesParser.create(GlobalHydra.instance().config_loader())
            parsed = parser.parse_overrides([quoted(one, several=True) for one in overrides])
            choices = [
                [f"{one.get_key_element()}={value}" for value in one.sweep_string_iterator()]
                if one.is_sweep_override()
                else [str(one.input_line)]
                for one in parsed
            ]
    except (HydraException, TypeError, ValueError) as error:
        raise explain(error, config, overrides, directory) from error
    if any(one.key_or_group == "out" and one.is_sweep_override() for one in parsed):
        raise UserError("out", "must be one folder", fix="Each of several runs has a numbered folder in it.")
    return [list(job) for job in itertools.product(*choices)]


def execute(compose: Callable[[list[str]], DictConfig], jobs: Sequence[list[str]], load: Callable[[], Any]) -> None:
    """Run the jobs one after the other, each in a numbered folder of `out`, then write their table and figure.

    Raises:
        AjusteFinoError: at the end, where a run diverged; the others go on.
    """
    start_log()
    configs, done, diverged = [compose(overrides) for overrides in jobs], list[Job](), list[Diverged]()
    log.info(f"{len(jobs)} runs, one after the other …")
    out = user_path("out", configs[0].out)
    require_writable("out", out)
    for cfg in configs:
        launch.refuse(cfg, "train -m", "Give one command for each run on several devices, or each run one device.")
    function, base = load(), claim(out, configs[0])
    for number, (cfg, overrides) in enumerate(zip(configs, jobs, strict=True), start=1):
        job = Job(overrides, base / str(number))
        cfg.out = verbatim(str(job.folder))
        log.info(f"Run {number} of {len(jobs)}: {' '.join(overrides)}")
        try:
            job.metrics = function(cfg, job.folder)
        except Diverged as error:
            log.warning(str(error))
            diverged.append(error)
        except (AjusteFinoError, KeyboardInterrupt, SystemExit):
            if done:
                write(base, done)  # what is done is worth its table
            raise
        done.append(job)
    write(base, done)
    if diverged:
        what = f"{len(diverged)} of {len(done)} runs diverged; table and figure have the others"
        raise AjusteFinoError(f"{what}. {diverged[0]}")


def write(folder: Path, jobs: Sequence[Job], name: str = "multirun", titles: Sequence[str] | None = None) -> None:
    """Write the table `NAME.csv` and the figure `NAME.png`.

    The figure is a map where two keys vary and one of them is a number, as in `optimizer=… optimizer.lr=…`; else the learning
    curves of all runs.

    Args:
        titles: what each run is called; None: by its number.
    """
    titles = titles or [str(n) for n in range(1, len(jobs) + 1)]
    differing = _differing(jobs)
    cells = [[_short(job.metrics.get(name)) for name in COLUMNS] for job in jobs]
    rows = [[title, " ".join(what), *row] for title, what, row in zip(titles, differing, cells, strict=True)]
    write_csv(folder / f"{name}.csv", ("run", "overrides", *COLUMNS), rows)
    _draw(folder / f"{name}.png", jobs, differing)
    table = Table("run", Column("overrides", overflow="fold"), *(Column(name, no_wrap=True) for name in COLUMNS[:ON_SCREEN]))
    for row in rows:
        table.add_row(*(printable(cell) for cell in row[: 2 + ON_SCREEN]))
    screen().print(table)
    screen().print(f"Results: {printable(str(folder.absolute()))}", soft_wrap=True)


def _draw(path: Path, jobs: Sequence[Job], differing: Sequence[list[str]]) -> None:
    values = [dict(one.partition("=")[::2] for one in what) for what in differing]
    keys = list(dict.fromkeys(key for one in values for key in one))
    number = next((key for key in keys if all(_is_number(one.get(key)) for one in values)), None)
    accuracy = [job.metrics.get("val/accuracy") for job in jobs]
    if len(keys) == 2 and number and any(value is not None for value in accuracy):
        other = next(key for key in keys if key != number)
        pairs = [(one.get(other, ""), one[number]) for one in values]
        rows, columns = (list(dict.fromkeys(pair[axis] for pair in pairs)) for axis in (0, 1))
        cells = {
            pair: job.metrics["val/accuracy"] for pair, job in zip(pairs, jobs, strict=True) if "val/accuracy" in job.metrics
        }
        key_map(rows, sorted(columns, key=float), cells, path, (other, number, "validation accuracy"))
        return
    tables = {" ".join(what) or f"run {n}": jobs[n - 1].folder / "metrics.csv" for n, what in enumerate(differing, start=1)}
    whole = {what: table for what, table in tables.items() if table.is_file()}
    if whole:
        curves(whole, path)


def _differing(jobs: Sequence[Job]) -> list[list[str]]:
    """Return for each run the overrides that not all runs share."""
    shared = set.intersection(*(set(job.overrides) for job in jobs)) if len(jobs) > 1 else set()
    return [[one for one in job.overrides if one not in shared] for job in jobs]


def _is_number(value: str | None) -> bool:
    try:
        float(value or "")
    except ValueError:
        return False
    return True


def _short(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else "" if value is None else str(value)
