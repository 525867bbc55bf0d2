"""Traps of files: bad ones, hidden ones, links, other formats than their names say."""

import math
import re
from collections import defaultdict
from collections.abc import Iterator

from ajuste_fino.data.inspection import Inspection
from ajuste_fino.data.kinds import FORMAT_OF, SILENT, suffix_of
from ajuste_fino.data.traps.finding import Finding
from ajuste_fino.errors import counted
from ajuste_fino.table_hints import MEANT
from ajuste_fino.tables import UNNAMED

LIKE_LABELS = re.compile(rf"(label|{'|'.join([*MEANT['label'], *MEANT['split']])})s?[ _.]?\d*|{UNNAMED}\d+")


def bad_files(inspection: Inspection) -> Iterator[Finding]:
    """What cannot be trained on, by kind: stopped at, or skipped up to a share of all."""
    count, config = len(inspection.skipped), inspection.config
    total = len(inspection.samples) + count
    share = math.ceil(100 * count / total) / 100 if total else 0.0
    enough = "" if count <= config.max_skipped * total else f" data.max_skipped={share:g}"
    level, fix = "error", f"Move them away, or go on without them with data.on_bad_image=skip{enough}:"
    if not config.strict:
        level, fix = "warning", "They are skipped:"
        if enough:
            allowed = f"{count} of {total} would be skipped, more than data.max_skipped={config.max_skipped:g} of all"
            level, fix = "error", f"{allowed}. Repair or move them, or pass{enough}:"
    for kind, bad in inspection.bad.items():
        if bad:
            rule = f"has {counted(len(bad), 'file')} of {total} that cannot be trained on"
            yield Finding(kind, level, "data.root", rule, fix, files=[str(one) for one in bad])


def passed_over(inspection: Inspection) -> Iterator[Finding]:
    """Hidden files and folders, folders of results, files in no class, links to folders."""
    found = inspection.found
    over, loop, copy = (
        "They are passed over:",
        "They are not followed, or an image would count twice:",
        "A copy would lack them:",
    )
    kinds = [
        (
            "hidden entries",
            found.hidden,
            "hidden file or folder, or one that a system left",
            "hidden files or folders, or ones that a system left",
            over,
        ),
        ("folders of results", found.results, "folder that this program wrote", "folders that this program wrote", over),
        ("stray files", found.stray, "file that lies in no class folder", "files that lie in no class folder", over),
        ("links to folders", found.links, "link to a folder", "links to folders", loop),
        ("links out", found.outside, "link that leads out of it", "links that lead out of it", copy),
    ]
    for trap, entries, one, several, fix in kinds:
        if entries:
            what = f"has {len(entries)} {one if len(entries) == 1 else several}"
            yield Finding(trap, "warning", "data.root", what, fix, files=list(entries))


def table(inspection: Inspection) -> Iterator[Finding]:
    """What a CSV has that is not read, or otherwise than it may be meant."""
    found = inspection.found
    ignored = [name for name in found.ignored if name != inspection.config.group]
    unread = not inspection.config.split and not any(sample.split for sample in found.samples)
    splits = [told for told in found.splits if unread and told.rpartition(":")[0] in ignored]
    ignored = [name for name in ignored if name not in {told.rpartition(":")[0] for told in splits}]
    labels = [name for name in ignored if LIKE_LABELS.fullmatch(name.lower())]
    others = [name for name in ignored if name not in labels]
    rename = "Only file, label and split are, and the column that data.group names:"
    verbatim = "The apostrophe is kept as part of the label; if it is there only for a spreadsheet, take it off in the CSV:"
    rename_split = "Call it split in the first line, or the split is drawn anew:"
    several = "Images of several classes at once are not supported; such labels are classes of their own:"
    kinds = [
        ("splits not read", "warning", splits, "a column that seems to be the split and is not read", rename_split),
        ("lists perhaps", "warning", found.lists, "a label that may be a list of others", several),
        ("columns not read", "warning", labels, "a column that may have labels or splits and is not read", rename),
        ("other columns", "note", others, "a column that is not read", rename),
        ("blanks in labels", "warning", found.trimmed, "a label with blanks around it", "They are taken off:"),
        ("apostrophes", "warning", found.apostrophes, "a label that begins with an apostrophe and a formula's sign", verbatim),
    ]
    for trap, level, files, what, fix in kinds:
        if files:
            yield Finding(trap, level, str(inspection.config.root), f"has {what}", fix, len(files), files)


def disguised(inspection: Inspection) -> Iterator[Finding]:
    """Files whose content is of another format than their name says; the content decides."""
    files = []
    for sample in inspection.samples:
        info = inspection.infos.get(sample.sha256)
        suffix = suffix_of(sample.file)  # many say nothing: those of frame.0001 and photo.jpg_large
        if info and (suffix in SILENT or FORMAT_OF.get(suffix, info.format) != info.format):
            files.append(f"{sample.file}: {info.format}")
    if files:
        fix = "They are read by their content; other programs may not:"
        yield Finding(
            "disguised formats",
            "warning",
            "data.root",
            f"has {counted(len(files), 'file')} of another format than the name says",
            fix,
            files=files,
        )


def odd_modes(inspection: Inspection) -> Iterator[Finding]:
    """Images that are not stored as the most are: grey, transparent, CMYK, 16 bits."""
    by_mode: dict[str, list[str]] = defaultdict(list)
    for sample in inspection.samples:
        if info := inspection.infos.get(sample.sha256):
            by_mode[info.mode].append(sample.file)
    usual = max(by_mode, key=lambda mode: len(by_mode[mode]), default=None)
    files = [f"{mode}: {len(names)}, such as {names[0]}" for mode, names in by_mode.items() if mode != usual]
    if files:
        fix = "All become RGB by the rules of the user guide; where a mode goes with a class, it gives the class away:"
        yield Finding(
            "odd modes",
            "note",
            "data.root",
            f"has images of {len(by_mode)} modes, most of them {usual}",
            fix,
            files=files,
        )


def odd_sizes(inspection: Inspection) -> Iterator[Finding]:
    """Images much smaller or larger than the middle one, and long strips, of which the middle alone is seen."""
    sized = [
        (sample.file, info.width, info.height) for sample in inspection.samples if (info := inspection.infos.get(sample.sha256))
    ]
    if not sized:
        return
    sides = sorted(min(width, height) for _, width, height in sized)
    middle = sides[len(sides) // 2]
    odd = [
        f"{file}: {width} × {height}"
        for file, width, height in sized
        if not middle / 4 <= min(width, height) <= middle * 8 or max(width, height) > 4 * min(width, height)
    ]
    if odd:
        fix = (
            "They are resized like all others; of a strip longer than 4 to 1 most see the middle, or all with data.resize=pad:"
        )
        rule = f"has {counted(len(odd), 'image')} of unusual size; the median of the shorter sides is {middle} px"
        yield Finding("odd sizes", "note", "data.root", rule, fix, files=odd)


def unknown(inspection: Inspection) -> Iterator[Finding]:
    """Images that the given split file does not name."""
    if inspection.unknown:
        rule = f"does not name {counted(len(inspection.unknown), 'image')}"
        fix = "They are left out:"
        yield Finding(
            "not in the split file", "warning", f"data.split={inspection.config.split}", rule, fix, files=inspection.unknown
        )
