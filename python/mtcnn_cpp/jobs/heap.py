"""The memory of pictures, kept from one to the next."""

from __future__ import annotations

import contextlib
import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's mallopt
KEPT = 1 << 26  # bytes that each part of the heap keeps when they are freed
LARGEST = 1 << 25  # bytes of the largest piece that comes from the heap: glibc takes no more


def keep_freed_memory() -> None:
    """Let this process keep what one picture took for the next one, where the C library is glibc.

    It would give every picture's memory back to the system and take it anew, page by page: 5 to 15 % of a
    job's time on two CPUs. For programs that run jobs, since all of the process is concerned.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # another C library has none
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(M_MMAP_THRESHOLD, LARGEST)
            mallopt(M_TRIM_THRESHOLD, KEPT)
