"""A listing that is read along with another one, to tell what stands at its keys.

To ask for each of a million keys takes a million requests; to list them takes a thousand. Outputs
are asked for nearly in the order in which they are listed: `a.jpg` before `a.jpg-1.jpg`, though
`a.jpg.webp` stands behind `a.jpg-1.jpg.webp`. So the listing is read on as far as need be, and
what was passed lately is kept. What cannot be told for sure is left to the store itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from optimizr.store import UNSURE, Object, Standing

_KEPT = 2_000
"""Objects that are kept, some 300 bytes each."""


class Alongside:
    """What stands in an output. Used by one thread at a time."""

    def __init__(self, objects: Iterator[Object], kept: int = _KEPT) -> None:
        """Take a listing that has not begun; nothing is read yet."""
        self._objects = objects
        self._kept = kept
        self._order: deque[bytes] = deque()
        self._passed: dict[bytes, Standing] = {}
        self._furthest = b""
        """The key up to which the listing was read."""
        self._dropped = b""
        """The last key that is kept no more: at or before it nothing is sure."""
        self._is_over = False
        self._is_sorted = True

    def find(self, key: bytes) -> Standing | None:
        """Tell what stands at a key: None if nothing, UNSURE if that cannot be told.

        Raises EnvironmentStop.
        """
        while not self._is_over and self._furthest < key:
            self._read_on()
        if key in self._passed:
            return self._passed[key]
        if not self._is_sorted or key <= self._dropped:
            return UNSURE
        return None

    def _read_on(self) -> None:
        found = next(self._objects, None)
        if found is None:
            self._is_over = True
            return
        # Not all that speak S3 sort by bytes, with `/` as a character like any other.
        self._is_sorted = self._is_sorted and found.key > self._furthest
        self._furthest = max(self._furthest, found.key)
        self._passed[found.key] = Standing(found.size, found.mtime_ns)
        self._order.append(found.key)
        if len(self._order) > self._kept:
            self._dropped = max(self._dropped, gone := self._order.popleft())
            self._passed.pop(gone, None)  # listed twice, if others wrote meanwhile
