"""`metrics.csv`: one row an epoch, counted from 1."""

from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.loggers.csv_logs import ExperimentWriter
from lightning.pytorch.utilities import rank_zero_only

from ajuste_fino.files import read_csv, write_bytes
from ajuste_fino.places import naming


class EpochCSVLogger(CSVLogger):
    """Lightning's CSVLogger, which writes a row for each call and counts epochs from 0, with the calls of an epoch joined.

    Each row is written when its epoch ends, so that a run that is stopped has those of all epochs before.
    """

    def __init__(self, save_dir: str | Path, name: str | None = "", version: int | str | None = "", **kwargs: Any) -> None:
        super().__init__(save_dir, name, version, **kwargs)  # in the run folder itself
        self.row: dict[str, Any] = {}

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, Any], step: int | None = None) -> None:
        """Add to the row of the epoch; the metrics that have `epoch` are its last."""
        self.row |= metrics
        if "epoch" in metrics:
            super().log_metrics({**self.row, "epoch": int(metrics["epoch"]) + 1}, step)
            self.row = {}
            with naming(self.path):
                self.save()

    @property
    def path(self) -> Path:
        return Path(self.log_dir) / ExperimentWriter.NAME_METRICS_FILE

    def go_on(self, epochs: int) -> None:
        """Keep the rows of so many epochs, and write behind them: a run that is resumed has the others again."""
        content = self.path.read_bytes()
        rows, lines = read_csv(self.path, content), content.splitlines(keepends=True)  # numbers hold no line breaks
        kept = [line for row, line in zip(rows, lines[1:], strict=False) if _is_before(row, epochs) and line.endswith(b"\n")]
        if kept:
            write_bytes(self.path, b"".join([lines[0], *kept]))
            self._experiment = _Behind(self.log_dir, list(rows[0]))


def _is_before(row: dict[str, str], epochs: int) -> bool:
    return row["epoch"].isdigit() and int(row["epoch"]) <= epochs


class _Behind(ExperimentWriter):
    """Writes behind the rows that are there, which Lightning's would delete."""

    def __init__(self, log_dir: str, header: list[str]) -> None:
        super().__init__(log_dir)
        self.metrics_keys = header

    def _check_log_dir_exists(self) -> None:
        """Leave them."""
