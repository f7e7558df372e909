"""A listing that is read along with another one, to tell what stands at its keys.

To ask for each of a million keys takes a million requests; to list them takes a thousand. Outputs
are asked for nearly in the order in which they are listed: `a.jpg` before `a.jpg-1.jpg`, though
`a.jpg.webp` stands behind `a.jpg-1.jpg.webp`. So the listing is read on as far as need be, and
what was passed lately is kept. What cannot be told for sure is left to the store itself.

Not all that speak S3 sort by bytes, with `/` as a character like any other: those with folders list
`album/` before `album 2/`. If pictures come in such an order, their outputs do so too, most likely;
then a key is looked for some way ahead, and nothing is told to be missing before all is read.
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
        self._ahead = 0
        """Objects that were read in search of another, and not asked for since."""
        self._furthest = b""
        """The key up to which the listing was read."""
        self._dropped = b""
        """The last key that is kept no more: at or before it nothing is sure."""
        self._asked = b""
        """The last picture whose output was asked for, in the order of bytes."""
        self._is_over = False
        self._is_sorted = True

    def find(self, key: bytes) -> Standing | None:
        """Tell what stands at a key: None if nothing, UNSURE if that cannot be told.

        Raises EnvironmentStop.
        """
        picture = key.removesuffix(b".webp")
        self._is_sorted = self._is_sorted and picture >= self._asked
        self._asked = picture
        while self._is_sorted and not self._is_over and self._furthest < key:
            self._read_on()
        if not self._is_sorted:
            self._look_ahead(key)
        if key in self._passed:
            self._ahead = 0 if key == self._order[-1] else max(0, self._ahead - 1)
            return self._passed[key]
        if self._is_over and not self._dropped:
            return None
        return None if self._is_sorted and key > self._dropped else UNSURE

    def _look_ahead(self, key: bytes) -> None:
        """Read on until a key comes, but not so far that others are dropped before their turn."""
        while not self._is_over and key not in self._passed and self._ahead < self._kept // 2:
            self._ahead += 1
            self._read_on()

    def _read_on(self) -> None:
        found = next(self._objects, None)
        if found is None:
            self._is_over = True
            return
        self._is_sorted = self._is_sorted and found.key > self._furthest
        self._furthest = max(self._furthest, found.key)
        self._passed[found.key] = Standing(found.size, found.mtime_ns, None, found.version)
        self._order.append(found.key)
        if len(self._order) > self._kept:
            self._dropped = max(self._dropped, gone := self._order.popleft())
            self._passed.pop(gone, None)  # listed twice, if others wrote meanwhile
