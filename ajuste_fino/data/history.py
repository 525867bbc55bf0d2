"""Which images a run learnt from, by their content: they must not judge it, wherever they lie now."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ajuste_fino.data.sample import Sample
from ajuste_fino.data.traps.finding import Finding
from ajuste_fino.errors import counted
from ajuste_fino.files import read_csv

TITLES = {"test": "test split", "val": "validation split"}


@dataclass(frozen=True)
class History:
    """What a run did with its images.

    `learnt` are the SHA-256 of those it learnt from; `set_aside` those of the split that judges it, with their labels; `name`
    is that split's: test, or val where there was no test split.
    """

    learnt: frozenset[str] = frozenset()
    set_aside: frozenset[tuple[str, str]] = frozenset()
    name: str = "test"

    @classmethod
    def of(cls, run: Path) -> "History":
        """The history of a run folder, or of a bundle that lies in one; nothing is known of a bundle elsewhere."""
        table = next((path for path in (run / "split.csv", run.parent / "split.csv") if path.is_file()), None)
        rows = [(row.get("split"), row.get("sha256", ""), row.get("label", "")) for row in (read_csv(table) if table else [])]
        name = "test" if any(split == "test" for split, *_ in rows) else "val"
        return cls(
            frozenset(content for split, content, _ in rows if split in ("train", "val") and split != name),
            frozenset((content, label) for split, content, label in rows if split == name),
            name,
        )

    def split_of(self, samples: Sequence[Sample]) -> str:
        """The name of the split that the run set aside, where the samples are it, all of it and nothing else; or eval."""
        return self.name if samples and {(s.sha256, s.label) for s in samples} == self.set_aside else "eval"

    def unseen(self, samples: Sequence[Sample]) -> tuple[list[Sample], list[Finding]]:
        """Return the samples that the run did not learn from, or all where it learnt from each; and what to say of it."""
        rest = [sample for sample in samples if sample.sha256 not in self.learnt]
        seen = len(samples) - len(rest)
        if not seen:
            return rest, []
        chosen = " or chose its epoch by" if self.name == "test" else ""
        rule = f"holds {seen:,} of {counted(len(samples), 'image')} that the run was trained on{chosen}"
        if rest:
            what = TITLES.get(self.split_of(rest))
            which = f"the run's {what}, {counted(len(rest), 'image')}" if what else counted(len(rest), "other image")
            return rest, [_finding(rule, f"They are left out. What is evaluated on: {which}.")]
        return list(samples), [_finding(rule, "What follows says how well it learnt them, and nothing of new images.")]


def _finding(rule: str, fix: str) -> Finding:
    return Finding("images of the run", "warning", "data.root", rule, fix)
