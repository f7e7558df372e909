"""The pictures of a list, in its order, each looked at when its turn comes.

A list shows no siblings, so WebPs are called by whole names, as in a bucket: `a.jpg.webp`. Nothing
is kept of lines that have gone by.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

from optimizr.errors import PictureError, Reason, Stage
from optimizr.source import Item
from optimizr.source.formats import BadLine, Entry, Parse
from optimizr.source.lines import count_lines
from optimizr.source.names import is_picture
from optimizr.source.portions import Part, portions
from optimizr.source.root import Root
from optimizr.source.shard import WHOLE, Shard
from optimizr.source.tree import not_in_the_tree
from optimizr.store import Folders
from optimizr.store.addresses import path_of

_COUNTED = 16 << 20
"""Bytes of a shared list that are read a second time, to count its lines."""


class Told(NamedTuple):
    """A line of a list, and what it names."""

    line: str
    """The list's name and the line's number, for telling of it."""
    entry: Entry | None
    """None if it cannot be used."""


class Entries:
    """What the lines of one list name, or of several that are read one after the other."""

    def __init__(
        self,
        parts: Sequence[Part],
        parse: Parse,
        base: str | None = None,
        most: int | None = None,
        shard: Shard = WHOLE,
    ) -> None:
        """With `base`, that is what all lines are known to be of.

        With `most`, lines are not counted if there are more than so many bytes.
        """
        self._parts = parts
        self._parse = parse
        self.base = base
        self._most = most
        self._shard = shard

    def of(self, shard: Shard) -> Entries:
        """Give those of one shard, which reads no more of the list than it must."""
        return Entries(self._parts, self._parse, self.base, _COUNTED, shard)

    def __iter__(self) -> Iterator[Told]:
        """Read from the beginning."""
        for text, has in portions(self._parts, self._shard):
            for line in text.lines():
                try:
                    if line.is_too_long:
                        raise BadLine
                    entry = self._parse(line.text)
                except BadLine:
                    if has(line.text):
                        yield Told(f"{text.name}:{line.place}", None)
                    continue
                if entry is not None and has(entry.key):
                    yield Told(f"{text.name}:{line.place}", entry)

    def count(self) -> int | None:
        """Count the lines; None if they are too many."""
        count = count_lines((part.open() for part in self._parts), self._most)
        return None if count is None else count // self._shard.count


class Giver(Protocol):
    """Whoever gives items by their keys."""

    def item(self, key: bytes) -> Item:
        """Give one item."""


class OfFolder:
    """Gives the items of a directory, which is asked at once."""

    def __init__(self, store: Folders) -> None:
        self._store = store

    def item(self, key: bytes) -> Item:
        """Give one item."""
        output = key + b".webp"
        if not self._store.contains(key):
            return Item(key, b"", problem=not_in_the_tree())
        try:
            return Item(key, output, *self._store.head(key))
        except PictureError as problem:
            return Item(key, output, problem=problem)


class OfBucket:
    """Gives the items of a bucket, which a worker asks: it takes its time to answer."""

    ignored = 0

    def __init__(self, root: Root, contains: Callable[[bytes], bool]) -> None:
        """`contains` tells which keys may be sources: outputs may not."""
        self._beginning = root.beginning
        self._contains = contains

    def item(self, key: bytes) -> Item:
        """Give one item."""
        if not self._contains(key):
            return Item(key, b"", problem=not_in_the_tree())
        try:
            path_of(self._beginning + key, Stage.LIST)
        except PictureError as problem:
            return Item(key, key + b".webp", problem=problem)
        return Item(key, key + b".webp", is_unseen=True)

    def below(self, key: bytes) -> Iterator[Item]:
        """Give the items in a folder: there are no folders."""
        yield self.item(key)


class Listed:
    """The items of a list of paths, URLs or rows."""

    is_whole = False

    def __init__(
        self,
        entries: Entries,
        root: Root,
        among: Giver,
        endings: frozenset[bytes],
        shard: Shard = WHOLE,
    ) -> None:
        self._entries = entries
        self._root = root
        self._among = among
        self._endings = endings
        self.shard = shard
        self.ignored = 0
        """Lines passed over so far: not pictures by name."""

    def covers(self, key: bytes) -> bool:  # noqa: ARG002 - see the protocol
        """Tell that nothing is known of any key: what has come by is not kept."""
        return False

    def __iter__(self) -> Iterator[Item]:
        """Read; a line that cannot be used is an item that fails."""
        for line, entry in self._entries:
            try:
                if entry is None:
                    raise BadLine
                key = self._root.key_of(entry)
                if key is None:
                    raise BadLine
            except BadLine:
                if self.shard.has(os.fsencode(line)):
                    yield unusable(line, self._root.address)
                continue
            if not self.shard.has(key):
                continue
            if is_picture(key.rpartition(b"/")[2], self._endings):
                yield self._item(key, entry)
            else:
                self.ignored += 1

    def _item(self, key: bytes, entry: Entry) -> Item:
        item = self._among.item(key)
        if item.is_unseen and entry.version:
            return item._replace(size=entry.size, version=entry.version, is_unseen=False)
        return item

    def count(self) -> int | None:
        """Count the lines, whatever they name; None if there are too many to read them twice."""
        count = self._entries.count()
        return None if count is None else count // self.shard.count


def unusable(line: str, root: str, what: str = "a path or URL") -> Item:
    """Give the item that stands for a line which cannot be used. The line may hold a secret."""
    problem = PictureError(
        Stage.LIST,
        Reason.BAD_LINE,
        f"expected {what} of a picture below {root!r}, got another in {line!r}; mend the line, or "
        "try it by a list of its own",
    )
    return Item(os.fsencode(line), b"", problem=problem)
