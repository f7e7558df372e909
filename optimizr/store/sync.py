"""From page cache to disk: what `store.fsync` asks for.

`batch` is a group commit. Whoever has written waits for a syncfs that began after; one worker at a
time makes that call for all who wait by then, so a slow disk is asked once for many pictures.
"""

from __future__ import annotations

import ctypes
import os
import threading
from typing import Protocol


class Sync(Protocol):
    """Makes sure that what was written to an open file is on the disk; OSError if it is not."""

    def __call__(self, file: int) -> None:
        """Return once it is."""


def each_file(file: int) -> None:
    """Sync the file alone."""
    os.fsync(file)


def never(file: int) -> None:
    """Leave it to the system, which writes within half a minute or so."""


class Group:
    """Syncs the whole file system, once for all that have written before."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._begun = 0
        self._done = 0
        self._busy = False

    def __call__(self, file: int) -> None:
        """Wait for a sync that began after the call."""
        with self._changed:
            # The sync that is under way, if any, may have begun before our bytes were written.
            needed = self._begun + 1
            while self._done < needed:
                if self._busy:
                    self._changed.wait()
                    continue
                self._busy = True
                self._begun += 1
                mine = self._begun
                self._changed.release()
                try:
                    _syncfs(file)
                finally:
                    self._changed.acquire()
                    self._busy = False
                    self._changed.notify_all()
                self._done = mine


_libc = ctypes.CDLL(None, use_errno=True)


def _syncfs(file: int) -> None:
    """Call Linux' syncfs; elsewhere sync the file alone."""
    call = getattr(_libc, "syncfs", None)
    if call is None:
        os.fsync(file)
    elif call(file):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def by_name(name: str) -> Sync:
    """Give what a value of `store.fsync` asks for."""
    kinds: dict[str, Sync] = {"file": each_file, "batch": Group(), "none": never}
    return kinds[name]
