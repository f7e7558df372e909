"""malloc, settled before any thread starts.

glibc gives each thread an arena of its own, and what a picture frees in one is of no use to the
others: with pictures of many sizes the process then holds more than twice what its pictures take
(measured on 88 wallpapers at `--memory 300MB`: 512 MiB with many arenas, 213 MiB with one, at the
same CPU time). The memory ceiling counts on one arena. It is for the program to decide, not for
the library: a process that merely imports optimizr keeps its own malloc.
"""

from __future__ import annotations

import ctypes

_M_ARENA_MAX = -8
"""Of glibc's malloc.h."""


def use_one_arena() -> None:
    """Ask glibc for one arena; elsewhere (musl, macOS) there is nothing to ask for."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return
    mallopt(_M_ARENA_MAX, 1)
