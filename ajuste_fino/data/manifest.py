"""From an inspected folder to a `Manifest`: the samples of a run, free of traps, and the order of their labels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ajuste_fino.data import traps
from ajuste_fino.data.config import DataConfig
from ajuste_fino.data.content import BadImage
from ajuste_fino.data.corrections import scan_corrected, without_removed
from ajuste_fino.data.decoding import decode_all
from ajuste_fino.data.hashing import Progress, hash_files
from ajuste_fino.data.history import History
from ajuste_fino.data.inspection import Inspection, inspect_folder, one_label_each
from ajuste_fino.data.names import natural
from ajuste_fino.data.sample import Sample, count, in_split
from ajuste_fino.data.sources.source import Root, contents, readers
from ajuste_fino.data.split import refuse_mixed
from ajuste_fino.data.traps.finding import Finding
from ajuste_fino.errors import UserError, preview
from ajuste_fino.files import read_csv

ELSEWHERE = "pass data.root=FOLDER with images to evaluate on"


@dataclass(frozen=True)
class Manifest:
    """The samples of a run, the labels in the order of the logits, what was skipped, and what the user should know."""

    samples: list[Sample]
    labels: list[str]
    skipped: list[BadImage]
    findings: list[Finding]

    @classmethod
    def of(cls, inspection: Inspection, rules: Sequence[traps.Rule] = traps.RULES) -> "Manifest":
        """A folder that was decoded and split.

        Raises:
            UserError: for each trap that training must not fall into.
        """
        findings = traps.findings(inspection, rules)
        traps.refuse(findings)
        return cls(inspection.samples, inspection.labels, inspection.skipped, findings)

    def split(self, name: str) -> list[Sample]:
        return in_split(self.samples, name)

    def targets(self, samples: Sequence[Sample]) -> list[int]:
        """The labels' numbers, by name."""
        number = {label: n for n, label in enumerate(self.labels)}
        return [number[sample.label] for sample in samples]

    @property
    def warnings(self) -> list[str]:
        return [str(finding) for finding in self.findings if finding.level == "warning"]


def load_manifest(config: DataConfig, workers: int, progress: Progress) -> Manifest:
    """The images of a folder or CSV, where no features of them are wanted yet: found, hashed, decoded and split.

    Raises:
        UserError: for each trap; for what names and contents show, before anything is decoded.
    """
    inspection = inspect_folder(config, workers, progress)
    traps.refuse(traps.findings(inspection.with_splits(), traps.STRUCTURE))
    stream = decode_all(inspection.samples, workers, progress, config.strict, depth=config.depth)
    return Manifest.of(inspection.with_decoded(stream).with_splits())


def load_eval(config: DataConfig, history: History, workers: int, progress: Progress) -> Manifest:
    """The images of a folder to evaluate a trained model by: its test split, or all of them where it has no splits.

    Those that the run learnt from are left out, where there are others.
    """
    found, corrections = scan_corrected(config.root, config.corrections)
    refuse_mixed(config.root, found)
    samples, unreadable = hash_files(found.samples, readers(config.root, workers), progress)
    samples = without_removed(samples, corrections, config.corrections)
    given = in_split(samples, "test") or samples
    samples, contradictory = one_label_each(history.unseen(given))
    stream = decode_all(samples, workers, progress, config.strict, depth=config.depth)
    samples = [replace(sample, split="test") for sample in samples]
    bad = {"unreadable files": unreadable, "two labels": contradictory}
    manifest = Manifest.of(Inspection(config, found, samples, bad).with_decoded(stream), traps.JUDGING)
    return replace(manifest, findings=[*history.findings(given, manifest.samples), *manifest.findings])


def load_split(
    table: Path, name: str, root: Root, workers: int, progress: Progress, depth: int | None = None, otherwise: str = ELSEWHERE
) -> Manifest:
    """One split of those that a run wrote to its `split.csv`, each image still the one it was.

    Args:
        otherwise: the way out where it is empty or not all there.

    Raises:
        UserError: where it is empty, or an image is missing or changed.
    """
    rows = [row for row in read_csv(table) if row.get("split") == name]
    if not rows:
        raise UserError(str(table), f"has no {name} split", fix=f"P{otherwise[1:]}.")
    there = contents(root, [row["file"] for row in rows])
    given = [Sample(content, row["file"], row["label"], name) for content, row in zip(there, rows, strict=True)]
    samples, missing = hash_files(given, readers(root, workers), progress)
    before = {row["file"]: row["sha256"] for row in rows}
    changed = [BadImage(s.file, "not the image it was") for s in samples if s.sha256 != before[s.file]]
    stream = decode_all(samples, workers, progress, strict=True, depth=depth)
    bad = {s: reason for decoded in stream for s, reason in decoded.bad.items()}
    undecodable = [BadImage(s.file, bad[s.sha256]) for s in samples if s.sha256 in bad]
    if wrong := missing + changed + undecodable:
        fix = f"Bring them back, or {otherwise}:\n{preview([str(one) for one in wrong])}"
        purpose = "evaluated on" if otherwise == ELSEWHERE else "used"
        rule = f"holds {len(wrong)} of {len(rows)} files that cannot be {purpose}"
        raise UserError("data.root", rule, fix=fix)
    return Manifest(samples, sorted({s.label for s in samples}, key=natural), [], [])


def summary(root: Root, samples: Sequence[Sample], labels: Sequence[str], found: Sequence[Finding]) -> dict[str, Any]:
    """What `audit.json` has: how many images there are of which class in which split, and what was found."""
    findings = [one.metadata() for one in found]
    return {"root": str(root), "images": len(samples), "classes": count(samples, labels), "findings": findings}
