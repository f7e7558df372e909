"""The pictures of a bucket, in the order of its listing, or the one picture of a bucket of one.

A bucket is one long list of keys: to know a picture's siblings, all of it would have to be kept. So
each WebP is called by its picture's whole key, `a.jpg.webp` (`policy.naming append`), which no
other picture's can be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from optimizr.errors import PictureError
from optimizr.source import Item
from optimizr.source.names import extensions, is_picture
from optimizr.source.shard import WHOLE, Shard
from optimizr.store import Flat


class Bucket:
    """Items of a store that has keys only."""

    def __init__(
        self,
        store: Flat,
        formats: Iterable[str],
        only: bytes | None = None,
        shard: Shard = WHOLE,
    ) -> None:
        """With `only`, there is the one object of that key and nothing else."""
        self._store = store
        self._endings = extensions(formats)
        self._only = only
        self.shard = shard
        self.ignored = 0
        """Objects passed over so far: not pictures by name."""

    @property
    def is_whole(self) -> bool:
        """Whether all that the store has comes by."""
        return self._only is None

    def covers(self, key: bytes) -> bool:
        """Tell whether what failed at a key before has come by, or is there no more."""
        return self._only in (None, key)

    def __iter__(self) -> Iterator[Item]:
        """List; sizes and versions come with the listing."""
        if self._only is not None:
            yield self.item(self._only)
            return
        for found in self._store.objects():
            if not self.shard.has(found.key):
                continue
            if not is_picture(found.key.rpartition(b"/")[2], self._endings):
                self.ignored += 1
                continue
            output = found.key + b".webp"
            yield Item(found.key, output, found.size, found.version, found.problem)

    def item(self, key: bytes) -> Item:
        """Give one item, as it is now."""
        try:
            size, version = self._store.head(key)
        except PictureError as problem:
            return Item(key, key + b".webp", problem=problem)
        return Item(key, key + b".webp", size, version)

    def count(self) -> int:
        """Count the pictures by name alone, which takes a listing of its own."""
        if self._only is not None:
            return 1
        return sum(
            self.shard.has(found.key) and is_picture(found.key.rpartition(b"/")[2], self._endings)
            for found in self._store.objects()
        )
