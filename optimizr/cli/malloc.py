"""malloc, settled before any thread starts.

glibc gives each thread an arena of its own, and what a picture frees in one is of no use to the
others: with pictures of many sizes the process then holds more than twice what its pictures take
(measured on 88 wallpapers at `--memory 300MB`: 512 MiB with many arenas, 213 MiB with one, at the
same CPU time). And each large block that is freed raises the size from which blocks are mapped by
themselves, so that planes come to lie in the heap and leave holes there: with that size fixed, 40
pictures of up to 3.6 megapixels peak at 136 MiB instead of 157, at the same CPU time (where strips
are mapped too, which are many, it costs a tenth more).

To fix that size also fixes the one from which free memory at the heap's end goes back to the
system, at 128 KiB: then a small picture asks for its pages anew at each step (240 page faults a
picture instead of 7, a twentieth of its CPU time).

The memory ceiling counts on both. It is for the program to decide, not for the library: a process
that merely imports optimizr keeps its own malloc.
"""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
"""Of glibc's malloc.h."""
_MAPPED_BYTES = 1 << 20
"""From this size on a block is mapped by itself, and goes back to the system once it is freed."""
_KEPT_BYTES = 8 << 20
"""Free memory at the heap's end that is kept for the next picture."""


def settle_malloc() -> None:
    """Ask glibc for one arena and fixed thresholds; musl and macOS have nothing to ask for."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return
    mallopt(_M_ARENA_MAX, 1)
    mallopt(_M_MMAP_THRESHOLD, _MAPPED_BYTES)
    mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
