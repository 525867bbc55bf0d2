"""Inspect a folder before training: what it holds, how it is split, and which images decode."""

from collections import defaultdict
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

from ajuste_fino.data.config import DataConfig
from ajuste_fino.data.content import BadImage
from ajuste_fino.data.corrections import scan_corrected, without_removed
from ajuste_fino.data.decoding import Decoded
from ajuste_fino.data.group import assign_groups
from ajuste_fino.data.hashing import Progress, hash_files
from ajuste_fino.data.info import ImageInfo
from ajuste_fino.data.names import natural
from ajuste_fino.data.sample import Sample, in_split
from ajuste_fino.data.scan_result import ScanResult
from ajuste_fino.data.sources.source import readers
from ajuste_fino.data.split import apply_split_file, refuse_mixed, split


@dataclass(frozen=True)
class Inspection:
    """What is known of a folder so far, before the rules for traps are applied.

    `samples` can be trained on, as far as is known; all of them have a split after `with_splits`. `bad` are files that cannot
    be trained on, by what is wrong with them, `infos` those of samples by content, once they were decoded, and `unknown`
    images that a given split file does not name.
    """

    config: DataConfig
    found: ScanResult
    samples: list[Sample]
    bad: dict[str, list[BadImage]]
    infos: dict[str, ImageInfo] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)

    @property
    def skipped(self) -> list[BadImage]:
        return [bad for kind in self.bad.values() for bad in kind]

    def split(self, name: str) -> list[Sample]:
        return in_split(self.samples, name)

    def classes(self, name: str) -> set[str]:
        return {sample.label for sample in self.split(name)}

    @property
    def labels(self) -> list[str]:
        """All classes, in the order of the logits: 2 before 10."""
        return sorted({sample.label for sample in self.samples}, key=natural)

    def with_splits(self) -> "Inspection":
        """Return the same inspection with a split for every sample."""
        return replace(self, samples=split(self.samples, self.config.val, self.config.test, self.config.seed))

    def with_decoded(self, stream: Generator[Decoded, None, None]) -> "Inspection":
        """Return the same inspection after decoding: images that cannot be decoded are in `bad`.

        Args:
            stream: what each content of `samples` is; it is read to its end.
        """
        infos: dict[str, ImageInfo] = {}
        reasons: dict[str, str] = {}
        with closing(stream):
            for decoded in stream:
                infos |= decoded.infos
                reasons |= decoded.bad
        good = [sample for sample in self.samples if sample.sha256 not in reasons]
        bad = [BadImage(sample.file, reasons[sample.sha256]) for sample in self.samples if sample.sha256 in reasons]
        return replace(self, samples=good, infos=infos, bad={"undecodable files": bad, **self.bad})


def inspect_folder(config: DataConfig, workers: int, progress: Progress) -> Inspection:
    """Find and hash the images of a folder, a CSV or another source; nothing is decoded or split yet.

    Raises:
        UserError: where the layout, the group, a correction or the given split is impossible.
    """
    found, corrections = scan_corrected(config.root, config.corrections)
    if not config.split:
        refuse_mixed(config.root, found)
    samples, unknown = apply_split_file(found.samples, config.split) if config.split else (found.samples, [])
    samples, unreadable = hash_files(assign_groups(samples, config.group, config.root), readers(config.root, workers), progress)
    samples = without_removed(samples, corrections, config.corrections)
    samples, contradictory = one_label_each(samples)
    non_images = [BadImage(other.file, other.reason) for other in found.non_images]
    bad = {"unreadable files": unreadable, "two labels": contradictory, "files that are no images": non_images}
    return Inspection(config, found, samples, bad, unknown=unknown)


def one_label_each(samples: Sequence[Sample]) -> tuple[list[Sample], list[BadImage]]:
    """The samples whose image is under one label, and those under several as bad ones."""
    by_content: dict[str, dict[str, Sample]] = defaultdict(dict)
    for sample in samples:
        by_content[sample.sha256].setdefault(sample.label, sample)
    double = {content: same for content, same in by_content.items() if len(same) > 1}
    bad = [
        BadImage(s.file, f"the same image under several labels: {', '.join(double[s.sha256])}")
        for s in samples
        if s.sha256 in double
    ]
    return [sample for sample in samples if sample.sha256 not in double], bad
