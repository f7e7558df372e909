"""The pictures of a failed.jsonl, to be tried again.

Each has the output that it has as part of its tree, so a retry and a run of the whole tree agree.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from optimizr.errors import ConfigError
from optimizr.keys import from_text
from optimizr.source import Item, Lookup
from optimizr.source.lines import Text, count_lines
from optimizr.source.listed import unusable
from optimizr.source.shard import WHOLE, Shard


class Failed(NamedTuple):
    """A line of the list."""

    line: str
    """The list's name and the line's number, for telling of it."""
    key: bytes | None
    """None if the line cannot be used."""


class FailedList:
    """A failed.jsonl as it is when it is opened; what is appended later does not count."""

    def __init__(self, text: Text, root: bytes | None = None, most: int | None = None) -> None:
        """Look for the tree that it tells of, unless that is given. Raises ConfigError.

        With `most`, lines are not counted if there are more than so many bytes.
        """
        self._text = text
        self._most = most
        found = root or next((root for root, _ in map(_parse, self._lines()) if root), None)
        if found is None:
            raise ConfigError(
                f"input: expected lines of failed.jsonl in {text.name!r}, got JSON without usable "
                "`key` and `source`; docs/storage.md tells which lists are read"
            )
        self.root = found

    def lines(self) -> Iterator[Failed]:
        """Yield the keys, in the list's order."""
        for place, text in self._text.lines():
            root, key = _parse(text)
            yield Failed(f"{self._text.name}:{place}", key if root == self.root else None)

    def count(self) -> int | None:
        """Count the lines; None if they are too many."""
        return count_lines([self._text], self._most)

    def _lines(self) -> Iterator[bytes]:
        return (text for _, text in self._text.lines())


class Retry:
    """The items of a list of failures."""

    is_whole = False

    def __init__(
        self,
        failed: FailedList,
        among: Lookup,
        is_folder: Callable[[bytes], bool],
        shard: Shard = WHOLE,
    ) -> None:
        self._failed = failed
        self._among = among
        self._is_folder = is_folder
        self.shard = shard
        self._seen: set[bytes] = set()
        """Keys that have come by; as many as have failed."""

    @property
    def ignored(self) -> int:
        """Files that are not pictures by name, in folders that could not be listed before."""
        return self._among.ignored

    def __iter__(self) -> Iterator[Item]:
        """Look each up in its folder; a folder that failed is walked."""
        for line, key in self._failed.lines():
            if key is None:
                if self.shard.has(os.fsencode(line)):
                    root = os.fsdecode(self._failed.root)
                    yield unusable(line, root, "a line of failed.jsonl")
            elif self._is_folder(key):
                self._seen.add(key)
                yield from self._new(self._among.below(key))
            elif self.shard.has(key):
                yield from self._new([self._among.item(key)])

    def covers(self, key: bytes) -> bool:
        """Tell whether a key was on the list, or in a folder that was."""
        return key in self._seen

    def _new(self, items: Iterable[Item]) -> Iterator[Item]:
        for item in items:
            if item.key not in self._seen:
                self._seen.add(item.key)
                yield item

    def count(self) -> int | None:
        """Count the lines of the list; None if there are too many to read them twice."""
        return self._failed.count()


def _parse(line: bytes) -> tuple[bytes | None, bytes]:
    """Give the root and the key that a line tells of; None for one that cannot be used."""
    try:
        record = json.loads(line)
        key, source = from_text(record["key"]), from_text(record["source"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None, b""
    if not key:
        return source, key
    is_path = b"://" not in source
    if is_path and (b"\0" in key or not {b"", b".", b".."}.isdisjoint(key.split(b"/"))):
        return None, b""  # it would lead out of the tree
    tail = b"/" + key
    return (source.removesuffix(tail) or b"/" if source.endswith(tail) else None), key
