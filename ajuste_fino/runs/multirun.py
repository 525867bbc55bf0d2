"""`-m`: several runs, and one table and one figure of them at the end."""

from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig
from rich.console import Console
from rich.table import Column, Table

from ajuste_fino.errors import AjusteFinoError, Diverged, Failed
from ajuste_fino.files import write_csv
from ajuste_fino.report.compare import curves, key_map
from ajuste_fino.runs.console import log

COLUMNS = ("val/accuracy", "val/loss", "test/accuracy", "test/macro_f1", "epoch", "time/total_s")
ON_SCREEN = 3  # of these columns; the file has all


class Summary(Callback):
    """Hydra tells it of each run's end; the table goes to the screen and to `multirun.csv`, the figure to `multirun.png`.

    The figure is a map where two keys vary and one of them is a number, as in `optimizer=… optimizer.lr=…`; else the
    learning curves of all runs.
    """

    def __init__(self) -> None:
        self.overrides: list[list[str]] = []
        self.figures: list[dict[str, Any]] = []
        self.folders: list[Path] = []
        self.diverged: list[Exception] = []

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        if config.hydra.mode != RunMode.MULTIRUN:
            return
        self.overrides.append(list(config.hydra.overrides.task))
        result = job_return._return_value
        self.figures.append(result if isinstance(result, dict) else {})
        if isinstance(result, Diverged):
            log.warning(str(result))
            self.diverged.append(result)
        self.folders.append(Path(config.hydra.runtime.output_dir))

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        try:
            self._write(Path(config.hydra.sweep.dir))
        except Exception as error:  # Hydra makes a warning of it, and the command would end well
            raise Failed(error) from error
        if self.diverged:
            what = f"{len(self.diverged)} of {len(self.figures)} runs diverged; table and figure have the others"
            raise Failed(AjusteFinoError(f"{what}. {self.diverged[0]}"))

    def _write(self, folder: Path) -> None:
        header, differing = ("run", "overrides", *COLUMNS), self._differing()
        figures = [[_short(run.get(name)) for name in COLUMNS] for run in self.figures]
        rows = [[str(n), " ".join(what), *row] for n, (what, row) in enumerate(zip(differing, figures, strict=True))]
        write_csv(folder / "multirun.csv", header, rows)
        self._draw(folder / "multirun.png", differing)
        table = Table("run", Column("overrides", no_wrap=True), *COLUMNS[:ON_SCREEN])
        for row in rows:
            table.add_row(*row[: 2 + ON_SCREEN])
        Console().print(table, markup=False)
        Console().print(f"Results: {folder.absolute()}", soft_wrap=True)

    def _draw(self, path: Path, differing: list[list[str]]) -> None:
        values = [dict(one.partition("=")[::2] for one in what) for what in differing]
        keys = list(dict.fromkeys(key for one in values for key in one))
        number = next((key for key in keys if all(_is_number(one.get(key)) for one in values)), None)
        if len(keys) == 2 and number and any(self.figures):
            other = next(key for key in keys if key != number)
            pairs = [(one.get(other, ""), one[number]) for one in values]
            rows, columns = (list(dict.fromkeys(pair[axis] for pair in pairs)) for axis in (0, 1))
            cells = {pair: run["val/accuracy"] for pair, run in zip(pairs, self.figures, strict=True) if run}
            key_map(rows, sorted(columns, key=float), cells, path, (other, number, "validation accuracy"))
            return
        tables = {" ".join(what) or f"run {n}": self.folders[n] / "metrics.csv" for n, what in enumerate(differing)}
        whole = {what: table for what, table in tables.items() if table.is_file()}
        if whole:
            curves(whole, path)

    def _differing(self) -> list[list[str]]:
        """Of each run the overrides that not all runs share."""
        shared = set.intersection(*map(set, self.overrides)) if len(self.overrides) > 1 else set()
        return [[one for one in overrides if one not in shared] for overrides in self.overrides]


def _is_number(value: str | None) -> bool:
    try:
        float(value or "")
    except ValueError:
        return False
    return True


def _short(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else "" if value is None else str(value)
