"""Which images a run learnt from, by their content: they must not judge it, wherever they lie now."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ajuste_fino.bundle_files import SUMS, find
from ajuste_fino.data.sample import Sample
from ajuste_fino.data.traps.finding import Finding
from ajuste_fino.errors import counted
from ajuste_fino.files import read_csv
from ajuste_fino.own_tables import SPLIT, content_of, header_of

CONFIG, TABLE = "config.yaml", "split.csv"  # which each run folder has
TITLES = {"test": "test split", "val": "validation split"}


@dataclass(frozen=True)
class History:
    """What a run did with its images.

    `learnt` are the SHA-256 of those it learnt from; `set_aside` those of the split that judges it, with their labels; `name`
    is that split's: test, or val where there was no test split. `unknown` says why nothing of it is known: what is wrong with
    `table`, its `split.csv`, or with the model where there is none.
    """

    learnt: frozenset[str] = frozenset()
    set_aside: frozenset[tuple[str, str]] = frozenset()
    name: str = "test"
    unknown: str = ""
    table: Path | None = None

    @classmethod
    def of(cls, run: Path, written: str | None = None) -> "History":
        """The history of a run folder, of its `bundle`, or of a zip file of the run; nothing is known of a bundle elsewhere.

        Args:
            written: the SHA-256 of the `split.csv` that the run wrote, where its model tells.

        Raises:
            UserError: where a `split.csv` cannot be read.
        """
        table, content = _in_zip(run) if run.is_file() else _in_folder(run)
        if content is None:
            return cls(unknown="does not say which they are")
        if why := _why_unknown(content, written):
            return cls(unknown=why, table=table)
        rows = [(row["split"], row["sha256"], row["label"]) for row in read_csv(table, content)]
        name = "test" if any(split == "test" for split, *_ in rows) else "val"
        return cls(
            frozenset(content for split, content, _ in rows if split in ("train", "val") and split != name),
            frozenset((content, label) for split, content, label in rows if split == name),
            name,
        )

    def split_of(self, samples: Sequence[Sample]) -> str:
        """The name of the split that the run set aside, where the samples are it, all of it and nothing else; or eval."""
        return self.name if samples and {(s.sha256, s.label) for s in samples} == self.set_aside else "eval"

    def unseen(self, samples: Sequence[Sample]) -> list[Sample]:
        """Return the samples that the run did not learn from, or all where it learnt from each."""
        return [sample for sample in samples if sample.sha256 not in self.learnt] or list(samples)

    def findings(self, samples: Sequence[Sample], judging: Sequence[Sample]) -> list[Finding]:
        """Return what to say of images that the run learnt from.

        Args:
            samples: all that were given.
            judging: the `unseen` ones that could be decoded, by which the run is judged.
        """
        if self.unknown:
            why = f"{self.table or 'the model'} {self.unknown}"
            return [_finding("may hold images that the run was trained on", f"That cannot be told: {why}.")]
        seen = sum(sample.sha256 in self.learnt for sample in samples)
        if not seen:
            return []
        chosen = " or chose its epoch by" if self.name == "test" else ""
        rule = f"holds {seen:,} of {counted(len(samples), 'image')} that the run was trained on{chosen}"
        if seen == len(samples):
            return [_finding(rule, "What follows says how well it learnt them, and nothing of new images.")]
        return [_finding(rule, f"They are left out. What is evaluated on: {self._named(judging)}.")]

    def _named(self, samples: Sequence[Sample]) -> str:
        if what := TITLES.get(self.split_of(samples)):
            return f"the run's {what}, {counted(len(samples), 'image')}"
        here = {(sample.sha256, sample.label) for sample in samples}
        if here and here < self.set_aside:
            return f"{len(here):,} of the {counted(len(self.set_aside), 'image')} of the run's {TITLES[self.name]}"
        return counted(len(samples), "other image")


def _in_folder(run: Path) -> tuple[Path, bytes | None]:
    """The `split.csv` of a run folder, or of the one that a `bundle` lies in, and what it holds; None where there is none."""
    folder = run.resolve()
    beside = folder.parent if folder.name == "bundle" and (folder.parent / CONFIG).is_file() else folder
    table = next((table for place in (folder, beside) if (table := place / TABLE).is_file()), None)
    return (run, None) if table is None else (table, content_of(table))


def _in_zip(path: Path) -> tuple[Path, bytes | None]:
    folder, files = find(path, (f"../{TABLE}",), SUMS)
    return folder.parent / TABLE, files.get(TABLE)


def _why_unknown(content: bytes, written: str | None) -> str | None:
    """Why a `split.csv` does not tell images by their content, or None where it does."""
    if written:
        return None if hashlib.sha256(content).hexdigest() == written else "is not as the run wrote it"
    header = header_of(content)
    if set(SPLIT) <= set(header):
        return None
    older = {"file", "label", "split"} <= set(header)
    return "has no column sha256: an older version wrote the run" if older else "is not the table that a run writes"


def _finding(rule: str, fix: str) -> Finding:
    return Finding("images of the run", "warning", "data.root", rule, fix)
