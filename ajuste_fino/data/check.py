"""Every content is hashed, and really decoded once, before anything is trained on it; what was found good stays good."""

import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from typing import Protocol

from ajuste_fino.data.images import BadImage, quiet, read_image
from ajuste_fino.data.look import Look, Looks, Record, content_of
from ajuste_fino.data.scan import Sample
from ajuste_fino.errors import AjusteFinoError, some
from ajuste_fino.files import sha256

Progress = Callable[[Iterable, int, str], Iterator]
FEW = 64  # pictures that are decoded before other processes would have started
CHUNK = 16  # pictures a process is handed at a time
LEAST = 64  # px; the smallest decoding that the hash of a look makes use of


class Reader(Protocol):
    """What decodes samples; it may make more of them on the way, such as features."""

    def lacks(self, contents: Sequence[str]) -> list[int]:
        """The positions of contents it must decode although they are known to be good."""
        ...

    def __call__(self, samples: Sequence[Sample]) -> Iterator[Look | BadImage]:
        """What each sample is, in their order."""
        ...


class Decoder:
    """The reader that does nothing but decode, by as many processes."""

    def __init__(self, workers: int, progress: Progress) -> None:
        self.workers, self.progress = workers, progress

    def lacks(self, contents: Sequence[str]) -> list[int]:
        return []

    def __call__(self, samples: Sequence[Sample]) -> Iterator[Look | BadImage]:
        looks = self._shared(samples) if self.workers and len(samples) > FEW else map(look_at, samples)
        yield from self.progress(looks, len(samples), "Checking pictures")

    def _shared(self, samples: Sequence[Sample]) -> Iterator[Look | BadImage]:
        chunks = [samples[start : start + CHUNK] for start in range(0, len(samples), CHUNK)]
        waiting: deque[tuple[Sequence[Sample], Future]] = deque()
        with ProcessPoolExecutor(self.workers, initializer=_leave_interrupts_to_the_parent) as pool:
            try:
                for chunk in chunks:  # a few at a time, so that memory stays bounded
                    waiting.append((chunk, pool.submit(_look_at_all, chunk)))
                    if len(waiting) > 2 * self.workers:
                        yield from _result(*waiting.popleft())
                while waiting:
                    yield from _result(*waiting.popleft())
            finally:
                pool.shutdown(wait=True, cancel_futures=True)


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _look_at_all(samples: Sequence[Sample]) -> list[Look | BadImage]:
    return [look_at(sample) for sample in samples]


def _result(chunk: Sequence[Sample], future: "Future[list[Look | BadImage]]") -> list[Look | BadImage]:
    try:
        return future.result()
    except BrokenProcessPool as error:
        files = some([sample.file for sample in chunk], CHUNK)
        raise AjusteFinoError(f"A decoding process died, perhaps of one of these files:\n{files}") from error


def look_at(sample: Sample) -> Look | BadImage:
    """Decode a file, a JPEG at an eighth of its size: its data is read whole all the same."""
    try:
        with quiet():
            return Look.at(*read_image(sample.path, content_of(sample.path, sample.sha256), LEAST))
    except BadImage as bad:
        return BadImage(sample.file, bad.reason)


def hashed(samples: Sequence[Sample], workers: int, progress: Progress) -> tuple[list[Sample], list[BadImage]]:
    """The samples with the hash of their content, and those that cannot be read."""
    chunks = [samples[start : start + CHUNK] for start in range(0, len(samples), CHUNK)]
    with ThreadPoolExecutor(max(workers, 1)) as pool:  # reading and hashing leave Python's lock to others
        hashes = [one for some in progress(pool.map(_hashes, chunks), len(chunks), "Reading files") for one in some]
    pairs = list(zip(samples, hashes, strict=True))
    good = [replace(sample, sha256=found) for sample, found in pairs if isinstance(found, str)]
    return good, [found for _, found in pairs if isinstance(found, BadImage)]


def _hashes(samples: Sequence[Sample]) -> list[str | BadImage]:
    return [_hash(sample) for sample in samples]


def _hash(sample: Sample) -> str | BadImage:
    if not sample.path.is_file():  # a pipe would never end
        return BadImage(sample.file, "not a regular file")
    try:
        return sha256(sample.path) if sample.path.stat().st_size else BadImage(sample.file, "an empty file")
    except OSError as error:
        return BadImage(sample.file, error.strerror or str(error))


def check(
    samples: Sequence[Sample], reader: Reader, decoder: Decoder, strict: bool
) -> tuple[list[Sample], list[BadImage], Looks]:
    """The samples that are pictures, those that are none, and the looks of the former by content.

    Args:
        samples: with the hash of their content, by which copies are decoded once, and never again once found good.
        reader: decodes them.
        decoder: takes over after the first bad one where that stops the run (`strict`): the user should see all bad
            files, and soon.
    """
    distinct = {sample.sha256: sample for sample in samples}
    reasons: dict[str, str] = {}
    with Record() as record:
        lacking = {list(distinct)[position] for position in reader.lacks(list(distinct))}
        todo = [s for content, s in distinct.items() if content in lacking or content not in record.looks]
        for sample, seen in zip(todo, _read(todo, reader, decoder, strict), strict=True):
            if isinstance(seen, BadImage):
                reasons[sample.sha256] = seen.reason
            else:
                record.looks[sample.sha256] = seen
    good = [sample for sample in samples if sample.sha256 not in reasons]
    bad = [BadImage(sample.file, reasons[sample.sha256]) for sample in samples if sample.sha256 in reasons]
    return good, bad, {sample.sha256: record.looks[sample.sha256] for sample in good}


def _read(todo: Sequence[Sample], reader: Reader, decoder: Decoder, strict: bool) -> Iterator[Look | BadImage]:
    for position, seen in enumerate(reader(todo)):
        yield seen
        if strict and isinstance(seen, BadImage):
            yield from decoder(todo[position + 1 :])
            return
