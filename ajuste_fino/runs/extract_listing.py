"""Which images `extract` has to do, by their names alone; a long source is read through and never held as a whole."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ajuste_fino.console import log
from ajuste_fino.data import traps
from ajuste_fino.data.config import DataConfig
from ajuste_fino.data.corrections import Correction, scan_corrected
from ajuste_fino.data.inspection import Inspection
from ajuste_fino.data.sample import Sample
from ajuste_fino.data.scan_result import NoImage, ScanResult
from ajuste_fino.data.sources.source import MOST, Source
from ajuste_fino.data.split import apply_split_file, refuse_mixed
from ajuste_fino.data.traps import files
from ajuste_fino.errors import UserError

RULES: tuple[traps.Rule, ...] = (*traps.LAYOUT, files.passed_over, files.table, files.unknown)  # that need names alone
SHOWN = 100  # images without a split that a message may name


class Listing(NamedTuple):
    """The images of a shard, what is no image there, how many images there are in all, and what identifies all of them."""

    samples: list[Sample]
    others: list[NoImage]
    images: int
    identity: str
    corrections: dict[str, Correction]


def share(file: str, shards: int) -> int:
    """Which shard a file belongs to: by its name, so that no shard need read the files of another."""
    return int.from_bytes(hashlib.sha256(file.encode("utf-8", "surrogateescape")).digest()[:8], "big") % shards


def listing(data: DataConfig, shard: int, shards: int) -> Listing:
    """List the images with the splits that the layout or a split file gives; say what is odd about the names.

    Raises:
        UserError: for a layout, or a trap in the names, that training must not fall into; for more images in a shard than a
            list may hold.
    """
    if isinstance(data.root, Source) and not (data.corrections or data.split):
        return _streamed(data, data.root, shard, shards)
    found, corrections = scan_corrected(data.root, data.corrections)
    if not data.split:
        refuse_mixed(data.root, found)
    samples, unknown = apply_split_file(found.samples, data.split) if data.split else (found.samples, [])
    _judge(Inspection(data, found, samples, {}, unknown=unknown))
    identity = _identity([*sorted(map(_line, samples)), "", *sorted(other.file for other in found.non_images)])
    own = [sample for sample in samples if share(sample.file, shards) == shard]
    others = [one for one in found.non_images if share(one.file, shards) == shard]
    return Listing(own, others, len(samples), identity, corrections)


def _streamed(data: DataConfig, source: Source, shard: int, shards: int) -> Listing:
    """Read a source through, and keep what belongs to a shard."""
    found, own, images = ScanResult(), list[Sample](), Counter[bool]()

    def lines() -> Iterator[str]:
        for sample in source.read(found):
            images[bool(sample.split)] += 1
            if not sample.split and len(found.unsplit) < SHOWN:
                found.unsplit.append(sample.file)
            if share(sample.file, shards) == shard:
                own.append(sample)
                _require_few(own, shards)
            yield _line(sample)

    identity = _identity(lines())
    found.samples, found.classes = own, {sample.label for sample in own}
    found.unsplit = found.unsplit if images[True] else []
    refuse_mixed(source, found)
    _judge(Inspection(data, found, own, {}))
    return Listing(own, found.non_images if shard == 0 else [], images.total(), identity, {})


def _require_few(samples: list[Sample], shards: int) -> None:
    if len(samples) > MOST:
        fix = f"Pass shard=0/{4 * shards}, shard=1/{4 * shards} … to as many processes, one after the other or at once."
        raise UserError("shard", f"must have at most {MOST:,} images", got=f"more, of {shards} shards", fix=fix)


def _judge(inspection: Inspection) -> None:
    odd = traps.findings(inspection, RULES)
    traps.refuse(odd)
    for finding in odd:
        if finding.level == "warning":
            log.warning(str(finding))


def _line(sample: Sample) -> str:
    return f"{sample.file}\0{sample.label}\0{sample.split}"


def _identity(lines: Iterable[str]) -> str:
    """The hash of the names, labels and splits of all files, of which all shards must have the same."""
    digest = hashlib.sha256()
    for line in lines:
        digest.update(f"{line}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
