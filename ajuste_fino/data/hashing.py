"""Hash the content of every file: the hash decides the split, the cached features, and which images are copies."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from ajuste_fino.data.content import BadImage
from ajuste_fino.data.sample import Sample

Progress = Callable[[Iterable, int, str], Iterator]
CHUNK = 16  # images a thread is handed at a time


def hash_files(samples: Sequence[Sample], workers: int, progress: Progress) -> tuple[list[Sample], list[BadImage]]:
    """Return the samples with the hash of their content, and those that cannot be read."""
    hashed = hash_each(samples, workers, progress)
    return [one for one in hashed if isinstance(one, Sample)], [one for one in hashed if isinstance(one, BadImage)]


def hash_each(samples: Sequence[Sample], workers: int, progress: Progress) -> list[Sample | BadImage]:
    """Return each sample with the hash of its content, or why it cannot be read, in their order."""
    chunks = [samples[start : start + CHUNK] for start in range(0, len(samples), CHUNK)]
    with ThreadPoolExecutor(max(workers, 1)) as pool:  # reading and hashing leave Python's lock to others
        try:
            return [one for chunk in progress(pool.map(_hash_all, chunks), len(chunks), "Reading files") for one in chunk]
        finally:  # a run that is stopped does not wait for the rest of its files
            pool.shutdown(cancel_futures=True)


def _hash_all(samples: Sequence[Sample]) -> list[Sample | BadImage]:
    return [_hash(sample) for sample in samples]


def _hash(sample: Sample) -> Sample | BadImage:
    try:
        return replace(sample, sha256=hashlib.sha256(sample.read()).hexdigest())
    except BadImage as bad:
        return BadImage(sample.file, bad.reason)
