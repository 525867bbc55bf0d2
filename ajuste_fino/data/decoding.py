"""Decode every image once before training: to an `ImageInfo`, and to pixels where features are wanted."""

import signal
from collections import deque
from collections.abc import Collection, Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING

from ajuste_fino.data.content import BadImage
from ajuste_fino.data.hashing import CHUNK, Progress
from ajuste_fino.data.images import quiet, read_image
from ajuste_fino.data.info import ImageInfo, ImageInfoCache
from ajuste_fino.data.sample import Sample
from ajuste_fino.errors import AjusteFinoError, preview

if TYPE_CHECKING:  # torch takes seconds to import, and an audit wants no pixels
    from torch import Tensor

    from ajuste_fino.data.loading import LoaderConfig
    from ajuste_fino.data.transforms import Preprocessing

FEW = 64  # images that are decoded before other processes would have started
MIN_SIZE = 64  # px; the smallest decoding that the hash of an ImageInfo makes use of


@dataclass
class Decoded:
    """What is known of some images after decoding, by the SHA-256 of their content.

    Where pixels were asked for, `pixels` are (N, 3, H, W) uint8, of the images `contents`.
    """

    infos: dict[str, ImageInfo] = field(default_factory=dict)
    bad: dict[str, str] = field(default_factory=dict)
    contents: list[str] = field(default_factory=list)
    pixels: "Tensor | None" = None


def decode_all(
    samples: Sequence[Sample],
    workers: int,
    progress: Progress,
    strict: bool,
    pixel_config: "tuple[Preprocessing, LoaderConfig] | None" = None,
    wanted: Collection[str] = (),
    depth: int | None = None,
) -> Generator[Decoded, None, None]:
    """Decode every distinct content, a few at a time. What was found good before is not decoded again.

    Args:
        samples: with the hash of their content.
        workers: processes that decode, where no pixels are asked for.
        strict: one bad image will stop the run. After the first, the rest is decoded without pixels, since the user should
            see all that are bad, and soon.
        pixel_config: how pixels are made, where they are asked for, and how many images at once.
        wanted: the contents whose pixels are wanted, whether or not it is known what they are.
        depth: of `load_image`, which the preprocessing of `pixel_config` has as well.
    """
    distinct = {sample.sha256: sample for sample in samples}
    with ImageInfoCache(depth) as cache:
        yield Decoded({content: cache[content] for content in distinct if content in cache and content not in wanted})
        left = [sample for content, sample in distinct.items() if content not in cache or content in wanted]
        pixels = _with_pixels(left, wanted, strict, *pixel_config) if pixel_config else iter(())
        for decoded in chain(pixels, decode_infos(left, workers, progress, depth)):
            # the hash depends a little on the size of decoding: the first one stays, or findings would come and go
            decoded.infos = {content: cache.get(content, info) for content, info in decoded.infos.items()}
            cache.update(decoded.infos)
            yield decoded


def _with_pixels(
    left: list[Sample], wanted: Collection[str], strict: bool, preprocessing: "Preprocessing", loading: "LoaderConfig"
) -> Iterator[Decoded]:
    """Decode those of the samples whose pixels are wanted; what is decoded is no longer in `left`."""
    from ajuste_fino.data.loading import decode_pixels

    todo = [sample for sample in left if sample.sha256 in wanted]
    done: set[str] = set()
    with closing(decode_pixels(todo, preprocessing, loading)) as stream:
        for decoded in stream:
            yield decoded
            done.update(decoded.infos, decoded.bad)
            if strict and decoded.bad:
                break
    left[:] = [sample for sample in left if sample.sha256 not in done]


def decode_infos(samples: Sequence[Sample], workers: int, progress: Progress, depth: int | None = None) -> Iterator[Decoded]:
    """Decode samples to infos, in as many processes as there are workers."""
    if not samples:
        return
    alone = not workers or len(samples) <= FEW
    results = (decode(sample, depth) for sample in samples) if alone else _shared(samples, workers, depth)
    for sample, result in zip(samples, progress(results, len(samples), "Checking images"), strict=True):
        if isinstance(result, BadImage):
            yield Decoded(bad={sample.sha256: result.reason})
        else:
            yield Decoded({sample.sha256: result})


def decode(sample: Sample, depth: int | None = None) -> ImageInfo | BadImage:
    """Decode one sample to its info. A JPEG is decoded at an eighth of its size; all its data is read all the same."""
    try:
        with quiet():
            return ImageInfo.of(*read_image(sample, MIN_SIZE, depth))
    except BadImage as bad:
        return BadImage(sample.file, bad.reason)


def _shared(samples: Sequence[Sample], workers: int, depth: int | None) -> Iterator[ImageInfo | BadImage]:
    chunks = [samples[start : start + CHUNK] for start in range(0, len(samples), CHUNK)]
    waiting: deque[tuple[Sequence[Sample], Future]] = deque()
    with ProcessPoolExecutor(workers, initializer=_leave_interrupts_to_the_parent) as pool:
        try:
            for chunk in chunks:  # a few at a time, so that memory stays bounded
                waiting.append((chunk, _submit(pool, chunk, depth)))
                if len(waiting) > 2 * workers:
                    yield from _result(waiting, workers)
            while waiting:
                yield from _result(waiting, workers)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _submit(pool: ProcessPoolExecutor, chunk: Sequence[Sample], depth: int | None) -> "Future[list[ImageInfo | BadImage]]":
    """Hand a chunk to the processes; where one has died, the failure waits its turn, so that the chunk it had is told."""
    try:
        return pool.submit(_decode_each, chunk, depth)
    except BrokenProcessPool as error:
        failed: Future[list[ImageInfo | BadImage]] = Future()
        failed.set_exception(error)
        return failed


def _decode_each(samples: Sequence[Sample], depth: int | None) -> list[ImageInfo | BadImage]:
    return [decode(sample, depth) for sample in samples]


def _result(waiting: "deque[tuple[Sequence[Sample], Future]]", workers: int) -> list[ImageInfo | BadImage]:
    """The result of the first chunk that waits; where a process died, each of them may have had one of the first chunks."""
    try:
        result: list[ImageInfo | BadImage] = waiting[0][1].result()
    except BrokenProcessPool as error:
        raise died([sample.file for chunk, _ in islice(waiting, workers) for sample in chunk]) from error
    waiting.popleft()
    return result


def died(files: list[str]) -> AjusteFinoError:
    """What is said of a process that ended in the middle of these files: a decoder crashed, or memory ran out."""
    return AjusteFinoError(f"A decoding process died, perhaps of one of these files:\n{preview(files, 2 * CHUNK)}")
