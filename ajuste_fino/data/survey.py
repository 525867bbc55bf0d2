"""From a folder to all that is known of it: what was found, what decodes, what is which, who is on which side."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from ajuste_fino.data.check import Decoder, Progress, Reader, check, hashed
from ajuste_fino.data.group import grouped
from ajuste_fino.data.images import BadImage
from ajuste_fino.data.look import Looks
from ajuste_fino.data.scan import Found, Sample, natural, scan
from ajuste_fino.data.source import Source
from ajuste_fino.data.split import assign, give_back

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Survey:
    """A folder before it is judged.

    `samples` can be trained on and have a split; `bad` cannot, by what is wrong with them; `looks` are those of samples
    by content; `unknown` are pictures that a given split file does not name.
    """

    source: Source
    found: Found
    samples: list[Sample]
    bad: dict[str, list[BadImage]]
    looks: Looks = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)

    @property
    def skipped(self) -> list[BadImage]:
        return [one for kind in self.bad.values() for one in kind]

    def of(self, split: str) -> list[Sample]:
        return [sample for sample in self.samples if sample.split == split]

    def classes(self, split: str) -> set[str]:
        return {sample.label for sample in self.of(split)}

    @property
    def labels(self) -> list[str]:
        """All classes, in the order of the logits: 2 before 10."""
        return sorted({sample.label for sample in self.samples}, key=natural)


def survey(
    source: Source,
    seed: int,
    workers: int,
    progress: Progress,
    reader: Reader | None = None,
    before: Callable[[Survey], None] = lambda _: None,
) -> Survey:
    """Find, hash, decode and split the pictures of a folder or CSV.

    Args:
        reader: decodes them, where more is to be made of that one decoding.
        before: sees the survey as names and hashes alone show it, so that it may stop before the long work of decoding.

    Raises:
        UserError: where the layout, the group or the split is impossible.
    """
    found = scan(source.root)
    samples, unknown = give_back(found.samples, source.split) if source.split else (found.samples, [])
    samples, unreadable = hashed(grouped(samples, source.group, source.root), workers, progress)
    samples, contradictory = _one_label_each(samples)
    strangers = [BadImage(file, "not a picture by its name, or a name that is not Unicode") for file in found.strangers]
    bad = {"unreadable files": unreadable, "two labels": contradictory, "files that are no pictures": strangers}
    before(Survey(source, found, assign(samples, source.val, source.test, seed), {}))
    decoder = Decoder(workers, progress)
    hopeless = source.strict and any(bad.values())
    samples, undecodable, looks = check(samples, decoder if hopeless else reader or decoder, decoder, source.strict)
    bad = {"undecodable files": undecodable, **bad}
    return Survey(source, found, assign(samples, source.val, source.test, seed), bad, looks, unknown)


def _one_label_each(samples: Sequence[Sample]) -> tuple[list[Sample], list[BadImage]]:
    by_content: dict[str, dict[str, Sample]] = defaultdict(dict)
    for sample in samples:
        by_content[sample.sha256].setdefault(sample.label, sample)
    double = {content: same for content, same in by_content.items() if len(same) > 1}
    bad = [
        BadImage(s.file, f"the same picture under several labels: {', '.join(double[s.sha256])}")
        for s in samples
        if s.sha256 in double
    ]
    return [sample for sample in samples if sample.sha256 not in double], bad


def unsplit(source: Source, workers: int, progress: Progress) -> Survey:
    """The pictures of a folder to judge a trained model by: its test split, or all of them where it has no splits."""
    found = scan(source.root)
    samples, unreadable = hashed(found.samples, workers, progress)
    decoder = Decoder(workers, progress)
    samples, bad, looks = check(samples, decoder, decoder, source.strict)
    tests = [sample for sample in samples if sample.split == "test"]
    samples = [replace(sample, split="test") for sample in tests or samples]
    return Survey(source, found, samples, {"unreadable files": unreadable, "undecodable files": bad}, looks)
