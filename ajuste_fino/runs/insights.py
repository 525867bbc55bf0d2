"""All that the features of a run tell of its data, for `data.html` and for `report.html`."""

from typing import Any

from omegaconf import DictConfig

from ajuste_fino.errors import Range
from ajuste_fino.insight.curve import FEWEST
from ajuste_fino.insight.projection import require_way
from ajuste_fino.insight.suspects import require_cleanlab
from ajuste_fino.runs.configuration import validate_ranges
from ajuste_fino.runs.console import WORKERS
from ajuste_fino.runs.insight_parts import PARTS, Work
from ajuste_fino.texts import require_language

RANGES = {
    "draws": Range(int, FEWEST, 200),
    "suspects": Range(int, 0, 5000),
    "thumbnails": Range(int, 1, 5000),
    "workers": WORKERS,
    "seed": Range(int, 0, 2**63 - 1),
}


def require(cfg: DictConfig) -> None:
    """Refuse what is not to be had before work begins.

    Raises:
        UserError: where a key is out of its range, or a library is not installed.
    """
    validate_ranges(cfg, RANGES)
    require_language(cfg.lang)
    require_way(cfg.map)
    if cfg.suspects:
        require_cleanlab()


def examine(work: Work) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parts of a page by their names, and the numbers of all."""
    made = {name: part(work) for name, part in PARTS.items() if work.cfg.suspects or name != "labels"}
    numbers = {key: value for _, of_part in made.values() for key, value in of_part.items()}
    return {name: page for name, (page, _) in made.items()}, numbers
