"""Keep freed memory in the process, since a network asks for the same large blocks with every batch."""

import ctypes
import sys

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
