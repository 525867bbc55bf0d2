"""The keys `data.*`: where images come from, how they are divided, and what is done when some are bad."""

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import ClassVar

from ajuste_fino.data.sources.source import Root
from ajuste_fino.errors import Range, UserError

RESIZES = ("squash", "crop", "pad")  # what becomes of an image that is not square


@dataclass(frozen=True)
class DataConfig:
    """The keys that decide which images a run has, and in which split each is."""

    RANGES: ClassVar[dict[str, Range]] = {
        "seed": Range(int, 0, 2**63 - 1),
        "data.val": Range(float, 0, 1),
        "data.test": Range(float, 0, 1),
        "data.max_skipped": Range(float, 0, 1),
        "data.depth": Range(int, 1, 32, optional=True),
    }

    root: Root
    split: Path | None = None
    val: float = 0.2
    test: float = 0.2
    on_bad_image: str = "error"
    max_skipped: float = 0.01
    group: str | None = None
    seed: int = 0
    depth: int | None = None
    resize: str | None = None
    corrections: Path | None = None

    def __post_init__(self) -> None:
        if self.on_bad_image not in ("error", "skip"):
            fix = "Pass data.on_bad_image=skip to go on without them."
            raise UserError("data.on_bad_image", "must be error or skip", got=self.on_bad_image, fix=fix)
        if self.resize not in (None, *RESIZES):
            number = f"The side in px is data.image_size={self.resize}."
            close = get_close_matches(str(self.resize).lower(), RESIZES, n=1)
            words = f"Did you mean {close[0]}?" if close else "pad keeps the whole image undistorted, in a square."
            fix = number if str(self.resize).isdecimal() else words
            raise UserError("data.resize", "must be squash, crop or pad", got=self.resize, fix=fix)
        if not (0 < self.val < 1 and 0 <= self.test < 1 and self.val + self.test < 1):
            fix, got = "Pass for example data.val=0.2 data.test=0.2.", f"{self.val}, {self.test}"
            raise UserError("data.val and data.test", "must be fractions with a sum below 1", got=got, fix=fix)

    @property
    def strict(self) -> bool:
        """Whether one bad file stops the run."""
        return self.on_bad_image == "error"
