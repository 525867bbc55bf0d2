"""Pictures that a backbone sees as the same, by features that earlier runs left in the cache."""

from collections.abc import Iterator

import numpy as np

from ajuste_fino.data.near import close_pairs
from ajuste_fino.data.survey import Survey
from ajuste_fino.data.traps.copies import look_alikes
from ajuste_fino.data.traps.finding import Finding
from ajuste_fino.files import cache_folder
from ajuste_fino.store import Store

ALIKE = 0.93  # cosine of centred features


def near_by_features(survey: Survey) -> Iterator[Finding]:
    """Pairs across splits whose features, less their mean, point the same way; nothing where no cache has all pictures."""
    contents = list(dict.fromkeys(sample.sha256 for sample in survey.samples))
    store = _store_with(contents)
    if store is None:
        return
    rows = np.asarray(store.rows(contents)[slice(None)])
    place = {content: row for row, content in enumerate(contents)}
    centred = rows - rows.mean(0)
    train, others = survey.of("train"), survey.of("val") + survey.of("test")
    one, other = (centred[[place[s.sha256] for s in side]] for side in (others, train))
    pairs = close_pairs(one, other, ALIKE)
    yield from look_alikes("near copies by features", others, train, pairs)


def _store_with(contents: list[str]) -> Store | None:
    """The newest cache that holds a plain row of every content."""
    folders = [folder for folder in (cache_folder() / "features").glob("*") if any(folder.glob("*.npy"))]
    for folder in sorted(folders, key=lambda folder: -folder.stat().st_mtime):
        store = Store.existing(folder)
        if not store.missing(contents):
            return store
    return None
