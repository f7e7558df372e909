"""The pictures that are being worked on, on file: for the run after one that was killed.

A picture is noted before it is decoded, and its note goes only once its outcome is in the ledger.
So whatever a killed run was at is found here: its output, if it got that far, is ours, and a
picture that is found by one run after another is what kills them.

The file is slots of a fixed size, written in place, one system call each, so it never grows with
the run. It is not synced: it is for processes that die; `Lock` tells of machines that do.
"""

from __future__ import annotations

import os
import threading
from typing import NamedTuple

from optimizr.errors import EnvironmentStop, stopped_by

_SLOT = 16384
"""Bytes: room for two paths of PATH_MAX, 4096 bytes, and more."""


class Note(NamedTuple):
    """A picture that was being worked on."""

    key: bytes
    output: bytes


class InFlight:
    """The notes of one run. Pictures begin in any thread and end in any other."""

    def __init__(self, path: bytes) -> None:
        """Open the file. Raises EnvironmentStop."""
        self._lock = threading.Lock()
        self._slots: dict[bytes, tuple[int, bytes]] = {}
        self._free: list[int] = []
        self._size = 0
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise _lost(error) from None

    def left_behind(self) -> list[Note]:
        """Give the notes that a killed run has left. Raises EnvironmentStop."""
        notes = []
        try:
            for offset in range(0, os.fstat(self._file).st_size, _SLOT):
                key, output, *_ = [*os.pread(self._file, _SLOT, offset).split(b"\0"), b"", b""]
                if key:
                    notes.append(Note(key, output))
        except OSError as error:
            raise _lost(error) from None
        return notes

    def begin(self, key: bytes, output: bytes) -> None:
        """Note a picture, or that another output is being written. Raises EnvironmentStop."""
        with self._lock:
            slot = self._slots[key][0] if key in self._slots else self._free_slot()
            self._slots[key] = slot, output
        self._write(slot, b"\0".join((key, output, b"")))

    def end(self, key: bytes) -> None:
        """Forget a picture, if it was noted. Raises EnvironmentStop."""
        with self._lock:
            slot, _ = self._slots.pop(key, (None, b""))
        if slot is not None:
            self._write(slot, b"\0")
            with self._lock:
                self._free.append(slot)

    def noted(self) -> list[Note]:
        """Give what has begun and not ended."""
        with self._lock:
            return [Note(key, output) for key, (_, output) in self._slots.items()]

    def is_making(self, output: bytes) -> bool:
        """Tell whether an output is that of a picture that has begun and not ended."""
        with self._lock:
            return any(output == noted for _, noted in self._slots.values())

    def clear(self) -> None:
        """Forget all. Raises EnvironmentStop."""
        try:
            os.ftruncate(self._file, 0)
        except OSError as error:
            raise _lost(error) from None

    def close(self) -> None:
        """Close the file; what is noted stays. Who begins or ends later gets EnvironmentStop."""
        with self._lock:
            os.close(self._file)
            self._file = -1

    def _free_slot(self) -> int:
        if self._free:
            return self._free.pop()
        self._size += 1
        return self._size - 1

    def _write(self, slot: int, record: bytes) -> None:
        try:
            with self._lock:
                os.pwrite(self._file, record, slot * _SLOT)
        except OSError as error:
            raise _lost(error) from None


def _lost(error: OSError) -> EnvironmentStop:
    return stopped_by(error, "ledger_unusable", "to note which pictures are in flight")
