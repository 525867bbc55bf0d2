"""What is wrong, or odd, about a folder, and what to do about it."""

from collections.abc import Sequence
from dataclasses import dataclass

from ajuste_fino.errors import UserError, preview

LEVELS = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """One trap, named: an `error` stops training, a `warning` is logged before it, a `note` is for the audit.

    `thing`, `rule`, `got` and `fix` are those of a UserError; `files` are the files, or groups of files, concerned, by their
    plain names; `shown` is what is shown in their place, where those would look the same.
    """

    trap: str
    level: str
    thing: str
    rule: str
    fix: str
    got: object = None
    files: Sequence[str] = ()
    shown: Sequence[str] = ()

    @property
    def sentence(self) -> str:
        """What it is and what to do, without the files."""
        return str(UserError(self.thing, self.rule, got=self.got, fix=self.fix))

    def listed(self, most: int = 10) -> str:
        """The first files, a line each, below a sentence; "" where there are none."""
        return f"\n{preview(list(self.shown or self.files), most)}" if self.files else ""

    def raised(self, also: Sequence["Finding"] = ()) -> UserError:
        """The finding as an error, with others that came with it."""
        others = "".join(f"\n{finding}" for finding in also)
        return UserError(self.thing, self.rule, got=self.got, fix=self.fix + self.listed() + others)

    def metadata(self) -> dict[str, object]:
        """As plain values, with every file."""
        return {"trap": self.trap, "level": self.level, "message": self.sentence, "files": list(self.files)}

    def __str__(self) -> str:
        return str(self.raised())
