"""Images damaged in ways that files are: bits flipped, the end cut off, a part overwritten, taken out or doubled."""

import io
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from hazards.material import hashes

FORMATS = {
    "JPEG": "jpg",
    "PNG": "png",
    "GIF": "gif",
    "BMP": "bmp",
    "TIFF": "tif",
    "WEBP": "webp",
    "PPM": "ppm",
    "AVIF": "avif",
    "JPEG2000": "jp2",
    **({"HEIF": "heic"} if find_spec("pillow_heif") else {}),
}
OPTIONS = {
    "JPEG": [{"quality": 60}, {"quality": 90, "progressive": True}, {"quality": 80, "optimize": True}],
    "PNG": [{}, {"compress_level": 1}, {"bits": 8}],
    "TIFF": [{}, {"compression": "tiff_lzw"}, {"compression": "tiff_adobe_deflate"}, {"compression": "jpeg"}],
    "WEBP": [{"quality": 70}, {"lossless": True}],
    "AVIF": [{"quality": 70}, {"quality": 90, "subsampling": "4:4:4"}],
    "JPEG2000": [{}, {"no_jp2": True}, {"irreversible": True, "quality_layers": [8]}],
    "HEIF": [{"quality": 70}, {"quality": -1, "chroma": 444}],
}


def striped(rng: np.random.Generator, side: int = 48) -> Image.Image:
    """Stripes of a random direction and colour, with some noise."""
    y, x = np.mgrid[:side, :side]
    angle, width = rng.uniform(0, np.pi), rng.uniform(0.2, 0.8)
    wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * width)[..., None]
    pixels = 128 + 90 * wave * rng.uniform(-1, 1, 3) + rng.normal(0, 8, (side, side, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def saved(image: Image.Image, kind: str, rng: np.random.Generator) -> bytes:
    """The bytes of an image in a format, in one of the ways there are to write it."""
    buffer, options = io.BytesIO(), OPTIONS.get(kind, [{}])
    chosen = options[rng.integers(len(options))]
    if kind == "HEIF":  # Pillow's own list of formats stays as users have it
        from pillow_heif import from_pillow

        from_pillow(image).save(buffer, **chosen)
    else:
        image.save(buffer, kind, **chosen)
    return buffer.getvalue()


def flip_bits(data: bytes, rng: np.random.Generator) -> bytes:
    out = bytearray(data)
    for _ in range(rng.integers(1, 30)):
        out[rng.integers(len(out))] ^= 1 << int(rng.integers(8))
    return bytes(out)


def truncate(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: rng.integers(0, len(data))]


def swap_header(data: bytes, rng: np.random.Generator, others: list[bytes]) -> bytes:
    length = int(rng.integers(2, 64))
    return others[rng.integers(len(others))][:length] + data[length:]


def overwrite(data: bytes, rng: np.random.Generator) -> bytes:
    start, length = int(rng.integers(len(data))), int(rng.integers(1, 200))
    return data[:start] + rng.bytes(length) + data[start + length :]


def drop_or_double(data: bytes, rng: np.random.Generator) -> bytes:
    start, length = int(rng.integers(len(data))), int(rng.integers(1, 100))
    part = data[start : start + length]
    return data[:start] + part * int(rng.integers(0, 3)) + data[start + length :]


def mutants(kind: str, count: int, rng: np.random.Generator) -> Iterator[bytes]:
    others = [saved(striped(rng), other, rng) for other in FORMATS if other != kind]
    ways = (flip_bits, truncate, lambda data, rng: swap_header(data, rng, others), overwrite, drop_or_double)
    for n in range(count):
        yield ways[n % len(ways)](saved(striped(rng), kind, rng), rng)


def plant(root: Path, each: int, rng: np.random.Generator) -> dict[Path, str]:
    """A class for each format: its mutants and some whole images, which training needs. Returns hashes by path."""
    for kind, suffix in FORMATS.items():
        folder = root / kind
        folder.mkdir(parents=True)
        for n, data in enumerate(mutants(kind, each, rng)):
            (folder / f"mutant{n:04}.{suffix}").write_bytes(data)
        for n in range(max(each // 10, 10)):
            (folder / f"whole{n:04}.{suffix}").write_bytes(saved(striped(rng), kind, rng))
    return hashes(root)
