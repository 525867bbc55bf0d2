"""Traps of copies: the same picture, or nearly the same, where it should not be."""

from collections import defaultdict
from collections.abc import Iterator

from ajuste_fino.data.near import close_pairs, hash_rows, hash_similarity
from ajuste_fino.data.scan import Sample
from ajuste_fino.data.survey import Survey
from ajuste_fino.data.traps.finding import Finding

BITS = 20  # of 256 that may differ; 99 of 100 pictures scaled and compressed anew stay below


def leaks(survey: Survey) -> Iterator[Finding]:
    """The same content in two splits, or the same group."""
    splits: dict[str, dict[str, str]] = defaultdict(dict)
    groups: dict[str, dict[str, str]] = defaultdict(dict)
    for sample in survey.samples:
        splits[sample.sha256].setdefault(sample.split, sample.file)
        if sample.group:
            groups[sample.group].setdefault(sample.split, sample.file)
    found = [" = ".join(places.values()) for places in splits.values() if len(places) > 1]
    if found:
        fix = "Keep one of each, or the figures say nothing:"
        rule = "has the same picture in two splits"
        yield Finding("copies across splits", "error", "data.root", rule, fix, f"{len(found)} of them", found)
    parted = [f"{group}: {', '.join(places.values())}" for group, places in groups.items() if len(places) > 1]
    if parted:
        fix = "Move each group to one side, or leave data.group out:"
        yield Finding(
            "groups across splits", "error", "data.group", "must lie in one split", fix, f"{len(parted)} in several", parted
        )


def within(survey: Survey) -> Iterator[Finding]:
    """The same content several times in one split."""
    places: dict[tuple[str, str], list[str]] = defaultdict(list)
    for sample in survey.samples:
        places[sample.sha256, sample.split].append(sample.file)
    found = [" = ".join(files) for files in places.values() if len(files) > 1]
    if found:
        fix = "Each counts as often as it is there:"
        yield Finding(
            "copies within a split", "warning", "data.root", f"has {len(found)} pictures more than once", fix, files=found
        )


def near(survey: Survey) -> Iterator[Finding]:
    """Pictures that look the same in two splits: scaled, compressed or stored anew."""
    train, others = _hashed(survey, "train"), _hashed(survey, "val") + _hashed(survey, "test")
    one, other = (hash_rows([survey.looks[s.sha256].hash for s in side]) for side in (others, train))
    pairs = close_pairs(one, other, hash_similarity(BITS))
    found = [f"{others[a].file} ≈ {train[b].file}" for a, b, _ in pairs if others[a].sha256 != train[b].sha256]
    if found:
        rule = f"has {len(found)} pairs of pictures across splits that look the same"
        fix = "Where they are the same, keep one of each, or the figures flatter:"
        yield Finding("near copies across splits", "warning", "data.root", rule, fix, files=found)


def _hashed(survey: Survey, split: str) -> list[Sample]:
    """The distinct pictures of a split that have a hash worth comparing."""
    distinct = {s.sha256: s for s in survey.of(split) if s.sha256 in survey.looks and survey.looks[s.sha256].comparable}
    return list(distinct.values())
