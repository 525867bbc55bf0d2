"""Keep freed memory in the process, since a network asks for the same blocks again; tell what helps when it is full."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ajuste_fino.errors import AjusteFinoError

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # glibc's malloc.h: M_TRIM_THRESHOLD, M_MMAP_THRESHOLD
LARGEST = 2**30  # bytes


def keep_freed_memory() -> None:
    """Ask the C library, where it is glibc, to use freed blocks again instead of giving each back to the system.

    By default it maps every block above 32 MiB anew, and the system clears each page at its first touch: on two cores
    that was half the time of MobileNetV2 and of SqueezeNet. Source: mallopt(3).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None  # absent from musl
    if mallopt:
        mallopt(MMAP_THRESHOLD, LARGEST)
        mallopt(TRIM_THRESHOLD, LARGEST)


@contextmanager
def tell_when_full(key: str, size: int) -> Iterator[None]:
    """Of a memory that gets full in the block, say which batch size to try.

    Args:
        key: of the batch size.
        size: what it is.

    Raises:
        AjusteFinoError: in the place of torch's error.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_full(error):
            raise
        fix = f"Pass {key}={size // 2}." if size > 1 else "Pass a smaller data.image_size, or another backbone."
        raise AjusteFinoError(f"The memory is full with {key}={size}. {fix}") from error


def is_full(error: Exception) -> bool:
    """Whether torch, or Python, asked for memory that there is not; on a CPU torch has no class of errors for it."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text
