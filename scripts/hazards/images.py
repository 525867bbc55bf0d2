"""Images: damaged ones, bombs, disguises, and what differs in how they are stored."""

import io
import json
import resource
import struct
import time
import zlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from ajuste_fino.data.images import load_image
from hazards.material import KEYS, draw, hashes, photos, rows
from hazards.mutants import FORMATS, plant
from hazards.registry import NotYet, Outcome, hazard, steps
from hazards.shell import call, run


@hazard("corrupt-images", "no crash, no file changed, audit and predict agree", size=500, quick=4, seconds=40)
def corrupt_images(work, size, rng):
    """Damaged images of ten formats (nine without pillow-heif) through audit, train and predict"""
    root, table = work / "mutants", work / "predictions.csv"
    before = plant(root, size, rng)
    skip = ("data.on_bad_image=skip", "data.max_skipped=1")
    verbs = [
        run("audit", f"data.root={root}", f"out={work / 'audit'}"),
        run("train", *KEYS, f"data.root={root}", f"out={work / 'run'}", *skip),
        run("predict", f"run={work / 'run'}", f"images={root}", f"csv={table}"),
    ]
    if not all(done.clean for done in verbs) or verbs[1].code:
        return Outcome(False, "; ".join(f"exit code {done.code}, {done.last}" for done in verbs))
    if hashes(root) != before:
        return Outcome(False, "a file was changed")
    return agreement(root, work, table)


def agreement(root: Path, work: Path, table: Path) -> Outcome:
    """Whether audit and predict refuse the same files, and how many mutants of each format still decode."""
    report = json.loads((work / "audit" / "audit.json").read_text())
    bad = {line.split(": ")[0] for one in report["findings"] if one["level"] == "error" for line in one["files"]}
    part = table if table.exists() else table.with_name(f"{table.name}.part")
    read = {Path(row["file"]).relative_to(root).as_posix() for row in rows(part)}
    everything = {path.relative_to(root).as_posix() for path in root.rglob("*.*")}
    skipped = json.loads((work / "run" / "metrics.json").read_text())["images/skipped"]
    decoded = [f"{kind} {sum(f.startswith(f'{kind}/mutant') for f in read)}" for kind in FORMATS]
    figure = f"{len(everything)} files, {len(bad)} refused by audit, {skipped} by train, {len(everything - read)} by predict"
    return Outcome(everything - read == bad and skipped == len(bad), f"{figure}; still decode: {', '.join(decoded)}")


def png(width: int, height: int) -> bytes:
    """A black PNG of one bit a pixel, so small that it is a bomb."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    line, packer = bytes(1 + (width + 7) // 8), zlib.compressobj(9)
    data = b"".join(packer.compress(line * 100) for _ in range(height // 100)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def disguises() -> dict[str, bytes]:
    """Files that no decoder should be let near, by the name they would have."""
    gif = b"GIF89a\xff\xff\xff\xff\x80\0\0" + bytes(6) + b",\0\0\0\0\xff\xff\xff\xff\0\x02\x02D\x01\0;"
    return {
        "bomb.png": png(30_000, 30_000),
        "bomb.gif": gif,
        "eps.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
        "psd.jpg": b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 9, 9, 8, 3) + bytes(200),
        "html.jpg": b"<html><script>1</script></html>",
        "svg.jpg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    }


def weigh(path: Path) -> None:
    """Print milliseconds and MiB that it takes to refuse an image; "taken" where it is not refused."""
    from ajuste_fino.data.content import BadImage
    from ajuste_fino.data.images import load_image

    Image.init()
    before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    try:
        load_image(path)
        print("taken 0")
    except BadImage:
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        print((time.perf_counter() - begun) * 1000, used / 1024)


@hazard("bombs", "each refused in 100 ms and 50 MiB, and named", size=6, quick=6, seconds=4)
def bombs(work, size, rng):
    """PNG and GIF of 30,000² pixels and more in 110 kB; EPS, PSD, HTML and SVG that are called .jpg"""
    root, wrong, slowest, most = photos(work / "photos", rng), [], 0.0, 0.0
    for name, content in steps(list(disguises().items())[:size]):
        path = root / "1" / name
        path.write_bytes(content)
        milliseconds, mib = (call(weigh, path).out.split() or ["crashed", "0"])[:2]
        if milliseconds in ("taken", "crashed") or float(milliseconds) > 100 or float(mib) > 50:
            wrong.append(f"{name} {milliseconds} ms, {mib} MiB")
        else:
            slowest, most = max(slowest, float(milliseconds)), max(most, float(mib))
    said = run("train", *KEYS, f"data.root={root}", f"out={work / 'run'}")
    named = sum(name in said.err for name in disguises())
    figure = f"{size - len(wrong)} of {size}, at most {slowest:.0f} ms and {most:.0f} MiB, {named} named by train"
    return Outcome(not wrong and named == size and said.code == 2, "; ".join([figure, *wrong]))


TURNS = dict(enumerate([None, 0, 3, 1, 5, 2, 6, 4], start=1))  # Image.Transpose that EXIF n undoes
MODES = {"1": "png", "L": "png", "P": "png", "LA": "png", "RGB": "png", "RGBA": "png", "CMYK": "tif", "I;16": "png", "F": "tif"}


def stored(image: Image.Image, mode: str, orientation: int) -> bytes:
    """A file in a mode, whose stored pixels and EXIF orientation together show the image upright."""
    if mode in ("I;16", "F"):
        grey = np.asarray(image.convert("L"))
        image = Image.fromarray(grey.astype(np.uint16) * 257 if mode == "I;16" else grey.astype(np.float32) / 255)
    else:
        image = image.convert(mode)
    image = image if TURNS[orientation] is None else image.transpose(Image.Transpose(TURNS[orientation]))
    exif, buffer = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    image.save(buffer, {"png": "PNG", "tif": "TIFF"}[MODES[mode]], exif=exif)
    return buffer.getvalue()


ONNX_ATOL = 1e-5  # of a probability


@hazard("modes", "the same probabilities in training, prediction and ONNX", size=72, quick=72, seconds=5)
def modes(work, size, rng):
    """Eight orientations of nine modes: 16 bits, alpha, CMYK, palette …"""
    root, table, picture = photos(work / "photos", rng), work / "table.csv", draw(rng, 1, 48)
    lines = [f"photos/{path.relative_to(root)},{path.parent.name},{'train' if n % 3 else 'val'}" for n, path in _listed(root)]
    names = [(mode, turn, f"{mode.replace(';', '')}-{turn}.{MODES[mode]}") for mode in MODES for turn in TURNS]
    for mode, turn, name in names:
        (work / name).write_bytes(stored(picture, mode, turn))
    table.write_text("\n".join(["file,label,split", *lines, *(f"{name},2,test" for *_, name in names)]))
    done = run("train", *KEYS, f"data.root={table}", f"out={work / 'run'}")
    if done.code:
        return Outcome(False, f"train: exit code {done.code}, {done.last}")
    run("predict", f"run={work / 'run'}", *(work / name for *_, name in names), f"csv={work / 'p.csv'}", "probabilities=all")
    training = {row["file"]: row["probability"] for row in rows(work / "run" / "predictions_test.csv")}
    prediction = {Path(row["file"]).name: row["probability"] for row in rows(work / "p.csv")}
    same = sum(_alike(training[n], prediction[n], training[f"{m.replace(';', '')}-1.{MODES[m]}"]) for m, _, n in names)
    figure = f"{same} of {len(names)} alike in training and prediction"
    if same < len(names):
        return Outcome(False, figure)
    require_onnx(figure)
    exported = _by_onnx(work, [name for *_, name in names])
    far = max(abs(exported[name] - float(training[name])) for *_, name in names)
    return Outcome(far <= ONNX_ATOL, f"{figure}; ONNX differs by {far:.1e} at most")


def _by_onnx(work: Path, names: list[str]) -> dict[str, float]:
    """The probability of the label of each file, by the exported model, fed what `load_image` gives."""
    import onnxruntime

    done = run("export", f"run={work / 'run'}", f"out={work / 'onnx'}", "check=8")
    if done.code:
        raise ValueError(f"export: exit code {done.code}, {done.last}")
    session = onnxruntime.InferenceSession(work / "onnx" / "model.onnx", providers=["CPUExecutionProvider"])
    given = session.get_inputs()[0].name
    return {name: float(session.run(None, {given: np.asarray(load_image(work / name))[None]})[0].max()) for name in names}


def _listed(root: Path) -> list[tuple[int, Path]]:
    return list(enumerate(sorted(root.rglob("*.png"))))


def _alike(*probabilities: str) -> bool:
    return max(map(float, probabilities)) - min(map(float, probabilities)) <= 2e-6


def require_onnx(figure: str) -> None:
    if not all(find_spec(name) for name in ("onnx", "onnxscript", "onnxruntime")):
        raise NotYet(f"{figure}; ONNX: the extra export is not installed")
