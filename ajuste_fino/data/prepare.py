"""From a folder to samples one can train on or judge by: surveyed, free of traps, with labels in the order of the logits."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ajuste_fino.data import traps
from ajuste_fino.data.check import Decoder, Progress, Reader, check, hashed
from ajuste_fino.data.images import BadImage
from ajuste_fino.data.scan import Sample, natural
from ajuste_fino.data.source import Source
from ajuste_fino.data.survey import Survey, survey, unsplit
from ajuste_fino.data.traps.finding import Finding
from ajuste_fino.errors import UserError, some
from ajuste_fino.files import read_csv


@dataclass(frozen=True)
class Table:
    """The samples of a run, the labels in the order of the logits, what was skipped, and what the user should know."""

    samples: list[Sample]
    labels: list[str]
    skipped: list[BadImage]
    findings: list[Finding]

    def of(self, split: str) -> list[Sample]:
        return [sample for sample in self.samples if sample.split == split]

    def targets(self, samples: Sequence[Sample]) -> list[int]:
        """The labels' numbers, by name."""
        number = {label: n for n, label in enumerate(self.labels)}
        return [number[sample.label] for sample in samples]

    @property
    def warnings(self) -> list[str]:
        return [str(finding) for finding in self.findings if finding.level == "warning"]


def prepare(source: Source, seed: int, workers: int, progress: Progress, reader: Reader | None = None) -> Table:
    """Find, check and split the pictures of a folder or CSV.

    Args:
        reader: decodes the pictures, where more is to be made of that one decoding.

    Raises:
        UserError: for each trap that training must not fall into; what names and contents show, before anything is decoded.
    """
    surveyed = survey(source, seed, workers, progress, reader, _refuse_structure)
    return _table(surveyed, traps.findings(surveyed))


def _refuse_structure(surveyed: Survey) -> None:
    traps.refuse(traps.findings(surveyed, traps.STRUCTURE))


def to_judge(source: Source, workers: int, progress: Progress) -> Table:
    """The pictures of a folder to judge a trained model by: its test split, or all of them where it has no splits."""
    surveyed = unsplit(source, workers, progress)
    return _table(surveyed, traps.findings(surveyed, traps.FILES))


def _table(surveyed: Survey, found: list[Finding]) -> Table:
    traps.refuse(found)
    return Table(surveyed.samples, surveyed.labels, surveyed.skipped, found)


def set_aside(table: Path, root: Path, workers: int, progress: Progress) -> Table:
    """The test split that a run wrote to its `split.csv`, each picture still the one it was.

    Raises:
        UserError: where it is empty, or a picture is missing or changed.
    """
    rows = [row for row in read_csv(table) if row.get("split") == "test"]
    if not rows:
        raise UserError(str(table), "sets no test split aside", fix="Pass data.root=FOLDER with pictures to judge by.")
    base, decoder = root if root.is_dir() else root.parent, Decoder(workers, progress)
    samples, missing = hashed([Sample(base / r["file"], r["file"], r["label"], "test") for r in rows], workers, progress)
    then = {row["file"]: row["sha256"] for row in rows}
    changed = [BadImage(s.file, "not the picture it was") for s in samples if s.sha256 != then[s.file]]
    samples, bad, _ = check(samples, decoder, decoder, strict=True)
    if wrong := missing + changed + bad:
        fix = f"Bring them back, or pass data.root=FOLDER with pictures to judge by:\n{some([str(one) for one in wrong])}"
        raise UserError("data.root", f"holds {len(wrong)} of {len(rows)} files that cannot be judged by", fix=fix)
    return Table(samples, sorted({s.label for s in samples}, key=natural), [], [])
