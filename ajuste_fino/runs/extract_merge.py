"""The end of `extract`: the files of all shards are judged as `train` would, then written in one order."""

import json
from collections.abc import Sequence
from typing import Any

from ajuste_fino.console import log, note_if_stopped
from ajuste_fino.data import traps
from ajuste_fino.data.config import DataConfig
from ajuste_fino.data.content import BadImage, ImageBytes
from ajuste_fino.data.inspection import Inspection, one_label_each
from ajuste_fino.data.names import natural
from ajuste_fino.data.sample import Sample
from ajuste_fino.data.scan_result import ScanResult
from ajuste_fino.data.traps import copies, files
from ajuste_fino.errors import UserError, counted
from ajuste_fino.features.extracted import ABOUT, FORMAT, PARTS
from ajuste_fino.features.merge import ORDER, Row, merge
from ajuste_fino.features.parts import FileRow, list_name, read_lists, shards_there
from ajuste_fino.runs.console import progress
from ajuste_fino.runs.extract_plan import DECIDING, ORIGIN, kept
from ajuste_fino.storage import Storage

RULES: tuple[traps.Rule, ...] = (files.bad_files, copies.leaks, copies.within)
NOWHERE = ImageBytes(b"", "")  # the content of an image is no longer needed


def judged(rows: Sequence[FileRow], config: DataConfig) -> Inspection:
    """The files as an inspection has them; say what is odd about them.

    Raises:
        UserError: for bad files, where they stop or are too many, and for copies across splits.
    """
    good = [Sample(NOWHERE, row.file, row.label, row.split, row.key) for row in rows if not row.kind]
    samples, contradictory = one_label_each(good)
    bad: dict[str, list[BadImage]] = {"two labels": contradictory}
    for row in rows:
        if row.kind:
            bad.setdefault(row.kind, []).append(BadImage(row.file, row.reason))
    inspection = Inspection(config, ScanResult(), samples, bad)
    found = traps.findings(inspection, RULES)
    traps.refuse(found)
    for finding in found:
        log.warning(str(finding))
    return inspection


def ended(storage: Storage) -> list[str]:
    """The lists of files of all shards.

    Raises:
        UserError: where some have not ended.
    """
    there = shards_there(storage)
    whole = [shards for shards, found in there.items() if len(found) == shards]
    if whole:
        return [list_name(shard, min(whole)) for shard in range(min(whole))]
    shards = max(there, default=0)
    lacking = [f"{k}/{shards}" for k in range(shards) if k not in there[shards]]
    fix = f"Run the others first: shard={' and shard='.join(lacking[:3])}." if lacking else "Run extract there first."
    rule = f"needs all {shards} shards, and {len(lacking)} have not ended" if lacking else "has no shard that has ended"
    raise UserError(f"out={storage.where}", rule, fix=fix)


def finish(storage: Storage, config: DataConfig) -> dict[str, Any]:
    """Write the files of the features and `about.json`, then remove the parts; return what `about.json` says."""
    lists = list(read_lists(storage, ended(storage)))
    if len({listing for listing, _ in lists}) > 1:
        fix = "Run all shards again, now that nothing writes to the images' folder; what is known is not computed again."
        raise UserError(f"out={storage.where}", "has shards that saw different files", fix=fix)
    rows = sorted(row for _, some in lists for row in some)
    inspection, plan = judged(rows, config), kept(storage)
    contents = _contents(inspection.samples)
    if not contents:
        raise UserError("data.root", "must hold images", got="none that can be read", fix="Pass another.")
    with note_if_stopped("All features are computed; the same command goes on with writing them."):
        width = _width(plan[DECIDING]["shape"])
        about = {
            "format": FORMAT,
            **plan[DECIDING],
            **plan[ORIGIN],
            "classes": _classes(contents),
            "rows": len(contents),
            "images": len(inspection.samples),
            "skipped": sorted(str(bad) for bad in inspection.skipped),
            "listing": lists[0][0],
            **merge(storage, contents, width, progress),
        }
        storage.write(ABOUT, (json.dumps(about, indent=1, ensure_ascii=True) + "\n").encode())
        clean(storage)
    return about


def clean(storage: Storage) -> None:
    """Remove the parts, of which nothing is needed any more."""
    for name in storage.names(PARTS):
        storage.remove(name)


def _width(shape: Sequence[int]) -> int:
    width = 1
    for side in shape:
        width *= side
    return width


def _contents(samples: Sequence[Sample]) -> list[Row]:
    """Each content once, under the first of its files, in the order in which they are written."""
    found: dict[str, Row] = {}
    for sample in samples:
        found.setdefault(sample.sha256, Row(sample.sha256, sample.file, sample.label, sample.split))
    return sorted(found.values(), key=lambda row: (ORDER.index(row.split), row.key))


def _classes(rows: Sequence[Row]) -> dict[str, dict[str, int]]:
    """How many contents each class has in each split."""
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        of_label = found.setdefault(row.label, {})
        of_label[row.split] = of_label.get(row.split, 0) + 1
    return {label: dict(sorted(found[label].items())) for label in sorted(found, key=natural)}


def said(about: dict[str, Any], where: str) -> str:
    """What was written, and what to do with it, in a sentence or three."""
    copies_there = about["images"] - about["rows"]
    more = f" ({counted(copies_there, 'further copy').replace('copys', 'copies')} of some)" if copies_there else ""
    size = f"{counted(about['rows'], 'feature')} of {_width(about['shape']):,} numbers{more}"
    return f"{size} in {counted(len(about['files']), 'file')}: {where}. Train on them: ajuste-fino train features.from={where}"
