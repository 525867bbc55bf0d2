"""Decoded images kept in one memory-mapped file while a run lasts, for training that reads them in every epoch."""

import os
import socket
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
from PIL import Image

from ajuste_fino.data.content import Content
from ajuste_fino.data.hashing import Progress
from ajuste_fino.data.images import quiet, read_image
from ajuste_fino.files import writable_cache
from ajuste_fino.places import require_space

FOLDER = "pixels"  # in the cache folder; each file is named by its process
_HERE = f"{socket.gethostname()}@"  # several machines may share a cache
AT_ONCE = 64  # images that are decoded between two writes
FIX = "Make room, pass data.cache=none, or set XDG_CACHE_HOME to a folder on another disk."


class KeptPixels:
    """The images of samples as uint8, as they are decoded: position → image. The file goes with `close`.

    `plain` says that they are of the size of which plain views are made.

    Another run removes what a run left that was killed.
    """

    def __init__(self, path: Path, shapes: Sequence[tuple[int, int]], plain: bool = False) -> None:
        self.path, self.shapes, self.plain = path, shapes, plain
        self.starts = np.cumsum([0, *(3 * height * width for height, width in shapes)])
        self._pixels: np.ndarray | None = None

    @classmethod
    def decode(
        cls,
        sources: Sequence[Content],
        min_size: int,
        depth: int | None,
        threads: int,
        progress: Progress,
        plain: bool = False,
    ) -> Self:
        """Decode images once, to a shorter side of at least `min_size` px.

        Raises:
            BadImage: for the first that cannot be decoded.
            UserError: where the disk has no room for them.
        """
        folder = writable_cache() / FOLDER
        folder.mkdir(exist_ok=True)
        _remove_left(folder)
        shapes = list[tuple[int, int]]()
        with (
            tempfile.NamedTemporaryFile("wb", prefix=f"{_HERE}{os.getpid()}-", dir=folder, delete=False) as file,
            _removed_after_failure(Path(file.name)),
            ThreadPoolExecutor(max(threads, 1)) as pool,
            quiet(),
        ):
            parts = [sources[start : start + AT_ONCE] for start in range(0, len(sources), AT_ONCE)]
            for number, part in enumerate(progress(parts, len(parts), "Decoding images once")):
                images = list(pool.map(lambda source: np.asarray(read_image(source, min_size, depth)[1]), part))
                size = sum(image.nbytes for image in images)
                if not number:
                    require_space(folder, size * len(parts), "the decoded images", FIX)
                shapes += [image.shape[:2] for image in images]
                file.write(b"".join(image.tobytes() for image in images))
        return cls(Path(file.name), shapes, plain)

    def __getitem__(self, position: int) -> Image.Image:
        if self._pixels is None:
            self._pixels = np.memmap(self.path, np.uint8, "r")
        part = self._pixels[self.starts[position] : self.starts[position + 1]]
        return Image.fromarray(part.reshape(*self.shapes[position], 3))

    def __getstate__(self) -> dict[str, Any]:
        """What another process gets: it maps the file itself."""
        return {**self.__dict__, "_pixels": None}

    @property
    def bytes(self) -> int:
        return int(self.starts[-1])

    def close(self) -> None:
        self._pixels = None
        self.path.unlink(missing_ok=True)


@contextmanager
def _removed_after_failure(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _remove_left(folder: Path) -> None:
    """Remove the files of processes of this machine that are no more."""
    for path in (path for path in folder.iterdir() if path.name.startswith(_HERE)):
        owner = path.name.removeprefix(_HERE).partition("-")[0]
        if owner.isdigit() and not _runs(int(owner)):
            path.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's, or a system that cannot tell
        return True
    return True
