"""Images that a backbone sees as the same, by features that earlier runs left in the cache."""

from collections.abc import Iterator

from ajuste_fino.data.inspection import Inspection
from ajuste_fino.data.near import close_pairs
from ajuste_fino.data.traps.copies import look_alikes
from ajuste_fino.data.traps.finding import Finding
from ajuste_fino.features.cache import FOLDER
from ajuste_fino.files import cache_folder
from ajuste_fino.store import FeatureStore

ALIKE = 0.93  # cosine of centred features
MOST = 0.5  # pairs an image that can be believed


def near_duplicates(inspection: Inspection) -> Iterator[Finding]:
    """Pairs across splits whose features, less their mean, point the same way; nothing where no cache has all images."""
    contents = list(dict.fromkeys(sample.sha256 for sample in inspection.samples))
    store = _store_with(contents)
    if store is None:
        return
    rows = store.rows(contents)[slice(None)]
    place = {content: row for row, content in enumerate(contents)}
    centred = rows - rows.mean(0)
    train, others = inspection.split("train"), inspection.split("val") + inspection.split("test")
    one, other = (centred[[place[s.sha256] for s in side]] for side in (others, train))
    pairs = close_pairs(one, other, ALIKE)
    if len(pairs) > MOST * len(contents):
        return  # features of random weights, say: they do not tell images apart
    yield from look_alikes("near copies by features", others, train, pairs)


def _store_with(contents: list[str]) -> FeatureStore | None:
    """The newest cache that holds a plain row of every content."""
    folders = [folder for folder in (cache_folder() / FOLDER).glob("*") if any(folder.glob("*.npy"))]
    for folder in sorted(folders, key=lambda folder: -folder.stat().st_mtime):
        store = FeatureStore.existing(folder)
        if store and len(store.dtype["row"].shape) == 1 and not store.missing(contents):
            return store
    return None
