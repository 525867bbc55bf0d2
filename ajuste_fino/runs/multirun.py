"""`-m`: several runs, and one table of them at the end."""

from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig
from rich.console import Console
from rich.table import Column, Table

from ajuste_fino.errors import Failed
from ajuste_fino.files import write_csv

COLUMNS = ("val/accuracy", "val/loss", "test/accuracy", "test/macro_f1", "epoch", "time/total_s")
ON_SCREEN = 3  # of these columns; the file has all


class Summary(Callback):
    """Hydra tells it of each run's end; the table goes to the screen and to `multirun.csv`."""

    def __init__(self) -> None:
        self.overrides: list[list[str]] = []
        self.figures: list[list[str]] = []

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        if config.hydra.mode != RunMode.MULTIRUN:
            return
        figures = job_return._return_value if isinstance(job_return._return_value, dict) else {}
        self.overrides.append(list(config.hydra.overrides.task))
        self.figures.append([_short(figures.get(name)) for name in COLUMNS])

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        try:
            self._write(Path(config.hydra.sweep.dir))
        except Exception as error:  # Hydra makes a warning of it, and the command would end well
            raise Failed(error) from error

    def _write(self, folder: Path) -> None:
        header = ("run", "overrides", *COLUMNS)
        rows = [[str(n), what, *figures] for n, (what, figures) in enumerate(zip(self._differing(), self.figures, strict=True))]
        write_csv(folder / "multirun.csv", header, rows)
        table = Table("run", Column("overrides", no_wrap=True), *COLUMNS[:ON_SCREEN])
        for row in rows:
            table.add_row(*row[: 2 + ON_SCREEN])
        Console().print(table, markup=False)
        Console().print(f"Results: {folder.absolute()}", soft_wrap=True)

    def _differing(self) -> list[str]:
        """Of each run the overrides that not all runs share."""
        shared = set.intersection(*map(set, self.overrides)) if len(self.overrides) > 1 else set()
        return [" ".join(one for one in overrides if one not in shared) for overrides in self.overrides]


def _short(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else "" if value is None else str(value)
