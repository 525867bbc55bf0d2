"""Traps of copies: the same image, or nearly the same, where it should not be."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from ajuste_fino.data.inspection import Inspection
from ajuste_fino.data.near import close_pairs, hash_rows, hash_similarity
from ajuste_fino.data.sample import Sample
from ajuste_fino.data.traps.finding import Finding
from ajuste_fino.errors import counted

BITS = 20  # of 256 that may differ; 99 of 100 images scaled and compressed anew stay below


def leaks(inspection: Inspection) -> Iterator[Finding]:
    """The same content in two splits, or the same group."""
    splits: dict[str, dict[str, str]] = defaultdict(dict)
    groups: dict[str, dict[str, str]] = defaultdict(dict)
    for sample in inspection.samples:
        splits[sample.sha256].setdefault(sample.split, sample.file)
        if sample.group:
            groups[sample.group].setdefault(sample.split, sample.file)
    found = [" = ".join(places.values()) for places in splits.values() if len(places) > 1]
    if found:
        fix = "Keep one of each, or the metrics will be too good:"
        rule = "has the same image in two splits"
        yield Finding("copies across splits", "error", "data.root", rule, fix, f"{len(found)} of them", found)
    parted = [f"{group}: {', '.join(places.values())}" for group, places in groups.items() if len(places) > 1]
    if parted:
        fix = "Move each group to one side, or leave data.group out:"
        yield Finding(
            "groups across splits", "error", "data.group", "must lie in one split", fix, f"{len(parted)} in several", parted
        )


def within(inspection: Inspection) -> Iterator[Finding]:
    """The same content several times in one split."""
    places: dict[tuple[str, str], list[str]] = defaultdict(list)
    for sample in inspection.samples:
        places[sample.sha256, sample.split].append(sample.file)
    found = [" = ".join(files) for files in places.values() if len(files) > 1]
    if found:
        rule, fix = f"has {counted(len(found), 'image')} more than once", "Each counts as often as it is there:"
        yield Finding("copies within a split", "warning", "data.root", rule, fix, files=found)


def near(inspection: Inspection) -> Iterator[Finding]:
    """Images that look the same in two splits: scaled, compressed or stored anew."""
    train, others = _hashed(inspection, "train"), _hashed(inspection, "val") + _hashed(inspection, "test")
    one, other = (hash_rows([inspection.infos[s.sha256].hash for s in side]) for side in (others, train))
    yield from look_alikes("near copies across splits", others, train, close_pairs(one, other, hash_similarity(BITS)))


def mislabelled(inspection: Inspection) -> Iterator[Finding]:
    """Images that look the same and have two labels, whatever their splits."""
    samples = [sample for split in ("train", "val", "test") for sample in _hashed(inspection, split)]
    rows = hash_rows([inspection.infos[sample.sha256].hash for sample in samples])
    pairs = [(a, b, likeness) for a, b, likeness in close_pairs(rows, rows, hash_similarity(BITS)) if a < b]
    two = [pair for pair in pairs if samples[pair[0]].label != samples[pair[1]].label]
    yield from look_alikes("near copies under two labels", samples, samples, two)


def look_alikes(
    trap: str, others: Sequence[Sample], train: Sequence[Sample], pairs: Sequence[tuple[int, int, float]]
) -> Iterator[Finding]:
    """The finding of pairs (position in `others`, position in `train`, likeness) that are no exact copies."""
    alike = [(others[a], train[b], likeness) for a, b, likeness in pairs if others[a].sha256 != train[b].sha256]
    found = [f"{one.file} ≈ {other.file} ({likeness:.2f})" for one, other, likeness in alike]
    if found:
        rule = f"has {counted(len(found), 'pair')} of images that look the same ({trap})"
        fix = "If they are the same, keep one of each, under the right label, or the metrics will be too good:"
        yield Finding(trap, "warning", "data.root", rule, fix, files=found)


def _hashed(inspection: Inspection, split: str) -> list[Sample]:
    """The distinct images of a split that have a hash worth comparing."""
    distinct = {
        s.sha256: s for s in inspection.split(split) if s.sha256 in inspection.infos and inspection.infos[s.sha256].comparable
    }
    return list(distinct.values())
