"""Where pictures come from, how they are divided, and what is done when some are bad."""

from dataclasses import dataclass
from pathlib import Path

from ajuste_fino.errors import UserError


@dataclass(frozen=True)
class Source:
    """The keys `data.*` that decide which pictures a run has, and on which side each is."""

    root: Path
    split: Path | None = None
    val: float = 0.2
    test: float = 0.2
    on_bad_image: str = "error"
    max_skipped: float = 0.01
    group: str | None = None

    def __post_init__(self) -> None:
        if self.on_bad_image not in ("error", "skip"):
            raise UserError(
                "data.on_bad_image", "must be error or skip", got=self.on_bad_image, fix="skip goes on without them."
            )
        if not (0 < self.val < 1 and 0 <= self.test < 1 and self.val + self.test < 1):
            fix = "Pass for example data.val=0.2 data.test=0.2."
            got = f"{self.val}, {self.test}"
            raise UserError("data.val and data.test", "must be fractions with a sum below 1", got=got, fix=fix)

    @property
    def strict(self) -> bool:
        """Whether one bad file stops the run."""
        return self.on_bad_image == "error"
