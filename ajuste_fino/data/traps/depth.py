"""Traps of values stored in more than 8 bits: few bits in use, values beyond the scale, floating point on odd scales."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import chain

from ajuste_fino.data.depth import FULL, bits_of, scale_of, white_of
from ajuste_fino.data.inspection import Inspection
from ajuste_fino.data.traps.finding import Finding
from ajuste_fino.errors import counted

BLACK = 12  # bits of 16: 16 grey levels of 256, which look black
DARK = 8  # of floating point: images that reach less than one in so many of the grey levels look black
SHARE = 10  # of the images, one in so many is no accident
Top = tuple[float, str]  # the largest value of an image, and its file


def depth(inspection: Inspection) -> Iterator[Finding]:
    """Integers of 16 bits or more and floating point that come out black or white, or are read on several scales."""
    integers, floats, below = list[Top](), list[Top](), list[str]()
    for sample in inspection.samples:
        info = inspection.infos.get(sample.sha256)
        if info and info.values:
            (floats if info.mode == "F" else integers).append((info.values[1], sample.file))
            if info.values[0] < 0:
                below.append(f"{sample.file}: from {info.values[0]:g}")
    chosen = inspection.config.depth
    yield from chain(_unused(integers) if chosen is None else (), _beyond(integers, chosen))
    yield from chain(_scales(floats), _dark(floats), () if chosen is None else _without_depth(floats, chosen))
    if below:
        rule = f"has {counted(len(below), 'image')} with values below 0, which become black"
        yield Finding("values below 0", "warning", "data.root", rule, "Store them from 0 on:", files=below)


def _unused(tops: list[Top]) -> Iterator[Finding]:
    """All images, or many, leave the upper bits empty."""
    highest = max((top for top, _ in tops), default=0)
    all_alike = bits_of(highest) < 16
    dark = tops if all_alike else [one for one in tops if bits_of(one[0]) <= BLACK]
    top = max((top for top, _ in dark), default=0)
    if not top or len(dark) * SHARE < len(tops):
        return
    bits = bits_of(top)
    rule = f"has {counted(len(dark), '16-bit image')} whose values go up to {top:.0f}, {bits} bits of 16"
    rule += f"; they come out {'nearly black' if bits <= BLACK else 'darker than they are'}"
    fix = f"Pass data.depth={bits} in training, and 0 to {2**bits - 1} is read as black to white:"
    if not all_alike:
        rule += f", beside {len(tops) - len(dark)} with values up to {highest:.0f}"
        fix = f"Store all on one scale; or pass data.depth={bits} in training, which makes all above {2**bits - 1} white:"
    yield Finding("unused bits", "warning", "data.root", rule, fix, files=[file for _, file in dark])


def _beyond(tops: list[Top], depth: int | None) -> Iterator[Finding]:
    white = white_of(depth)
    beyond = [f"{file}: up to {top:.0f}" for top, file in tops if top > white]
    if beyond:
        bits = bits_of(max(top for top, _ in tops))
        rule = f"has {counted(len(beyond), 'image')} with values above {white}, which become white"
        fix = f"Pass data.depth={bits} in training to read them whole:"
        yield Finding("values beyond the depth", "warning", "data.root", rule, fix, files=beyond)


def _scales(tops: list[Top]) -> Iterator[Finding]:
    """The largest value of an image of floating point decides what is white in it, so two images may differ in that."""
    by_scale: dict[int, list[str]] = defaultdict(list)
    for top, file in tops:
        by_scale[scale_of(top)].append(file)
    if len(by_scale) > 1:
        files = [f"0 to {scale}: {len(names)}, such as {names[0]}" for scale, names in sorted(by_scale.items())]
        rule = f"has {len(tops)} images of floating point that are read on {len(by_scale)} scales, by the largest value of each"
        yield Finding("scales of floating point", "warning", "data.root", rule, "Store all on one, 0 to 1:", files=files)
    beyond = [f"{file}: up to {top:g}" for top, file in tops if top > FULL]
    if beyond:
        rule = f"has {counted(len(beyond), 'image')} of floating point with values above {FULL}, which become white"
        yield Finding("values beyond the scale", "warning", "data.root", rule, "Store them as 0 to 1:", files=beyond)


def _dark(tops: list[Top]) -> Iterator[Finding]:
    """Floating point that uses little of the scale on which it is read: 0 … 1.02 as 0 … 255, 0 … 4095 as 0 … 65535."""
    by_scale: dict[int, list[Top]] = defaultdict(list)
    for top, file in tops:
        by_scale[scale_of(top)].append((top, file))
    for scale, there in sorted(by_scale.items()):
        dark = [(top, file) for top, file in there if 0 < top < scale / DARK]
        if dark and len(dark) * SHARE >= len(there):
            highest = max(top for top, _ in dark)
            rule = f"has {counted(len(dark), 'image')} of floating point whose values go up to {highest:g}"
            rule += f" and are read as 0 to {scale}; they come out nearly black"
            fix = "Save them in 8 or 16 bits, or divide all by one number, so that white is 1 and nothing is above:"
            yield Finding(
                "dark floating point", "warning", "data.root", rule, fix, files=[f"{f}: up to {t:g}" for t, f in dark]
            )


def _without_depth(tops: list[Top], depth: int) -> Iterator[Finding]:
    if tops:
        rule = f"has no effect on {counted(len(tops), 'image')} of floating point"
        fix = "They are read as 0 to 1, 255 or 65535, by the largest value of each; save them in 16 bits:"
        files = [file for _, file in tops]
        yield Finding("depth of floating point", "warning", f"data.depth={depth}", rule, fix, files=files)
