"""`metrics.csv`: one row an epoch, counted from 1."""

from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import CSVLogger

from ajuste_fino.places import naming


class EpochCSVLogger(CSVLogger):
    """Lightning's CSVLogger, which writes a row for each call and counts epochs from 0, with the calls of an epoch joined.

    Each row is written when its epoch ends, so that a run that is stopped has those of all epochs before.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.row: dict[str, Any] = {}

    def log_metrics(self, metrics: dict[str, Any], step: int | None = None) -> None:
        """Add to the row of the epoch; the metrics that have `epoch` are its last."""
        self.row |= metrics
        if "epoch" in metrics:
            super().log_metrics({**self.row, "epoch": int(metrics["epoch"]) + 1}, step)
            self.row = {}
            with naming(Path(self.log_dir) / "metrics.csv"):
                self.save()
