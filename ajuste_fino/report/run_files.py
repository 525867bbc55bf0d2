"""What a run folder holds, read for its report."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ajuste_fino.errors import UserError
from ajuste_fino.report.judged import Judged

SPLITS = ("test", "val")  # that judge a run, the better one first
FIX = "Pass the folder of a run of train that was finished."


@dataclass(frozen=True)
class RunFiles:
    """The files of a run that its report is made of.

    `split` is the one it was judged on: test, or val where it had no test images. `audit` and `environment` are empty where an
    older version wrote the run.
    """

    folder: Path
    config: dict[str, Any]
    metrics: dict[str, Any]
    bundle: dict[str, Any]
    audit: dict[str, Any]
    environment: dict[str, Any]
    split: str
    judged: Judged

    @classmethod
    def read(cls, folder: Path) -> "RunFiles":
        """Read them.

        Raises:
            UserError: where the folder is not that of a finished run.
        """
        split = next((name for name in SPLITS if (folder / f"predictions_{name}.csv").is_file()), None)
        if split is None or not (folder / "config.yaml").is_file():
            raise UserError("run", "must be the folder of a run with its table of predictions", got=folder, fix=FIX)
        config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
        judged = Judged.read(folder / f"predictions_{split}.csv")
        metrics, bundle = _json(folder / "metrics.json"), _json(folder / "bundle" / "bundle.json")
        audit, environment = _json(folder / "audit.json"), _json(folder / "environment.json")
        return cls(folder, config, metrics, bundle, audit, environment, split, judged)

    def of_split(self, name: str) -> Any:
        """A metric of the split it was judged on."""
        return self.metrics[f"{self.split}/{name}"]


def _json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (OSError, ValueError) as error:
        raise UserError(str(path), f"cannot be read ({error})", fix=FIX) from error
