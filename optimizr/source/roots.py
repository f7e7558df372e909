"""The place that keys of messages are below: what is in it, and what is not."""

from __future__ import annotations

import os
from typing import NamedTuple

from optimizr.keys import to_text
from optimizr.source.messages import Told
from optimizr.store.place import Place


class Root(NamedTuple):
    """A directory, or a place in a bucket."""

    bucket: str | None
    """The URL of the bucket; None for a directory."""
    beginning: bytes
    """What whole keys of the bucket, or absolute paths, begin with; what follows is the key."""

    @property
    def name(self) -> str:
        """Name it for people."""
        return (
            to_text(self.beginning)
            if self.bucket is None
            else (f"{self.bucket}/{to_text(self.beginning)}")
        )

    def key_of(self, told: Told) -> bytes | None:
        """Give the key below the root; None for what is in the same bucket, but not below it.

        Raises ValueError for what is elsewhere, or leads there.
        """
        whole, bucket = told
        if bucket is not None:
            if bucket != self.bucket:
                raise ValueError(f"a picture of {bucket}")
            return whole.removeprefix(self.beginning) if self._has(whole) else None
        if self.bucket is not None:
            return whole
        if whole.startswith(b"/"):
            if not self._has(whole):
                raise ValueError(f"a picture at {to_text(whole)}")
            whole = whole.removeprefix(self.beginning)
        if b"\0" in whole or not {b"", b".", b".."}.isdisjoint(whole.split(b"/")):
            raise ValueError(f"the path {to_text(whole)}")
        return whole

    def _has(self, whole: bytes) -> bool:
        return whole.startswith(self.beginning) and len(whole) > len(self.beginning)


def root_of(place: Place | None, path: str) -> Root:
    """Make a root of a place in a bucket, or else of a directory."""
    if place is None:
        return Root(None, os.path.join(os.fsencode(os.path.abspath(path)), b""))
    return Root(f"{place.scheme}://{place.bucket}", place.beginning.encode())
