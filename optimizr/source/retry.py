"""The pictures of a failed.jsonl, to be tried again.

Each has the output that it has as part of its tree, so a retry and a run of the whole tree agree.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, NamedTuple

from optimizr.errors import ConfigError, PictureError, Reason, Stage
from optimizr.keys import from_text
from optimizr.source import Item, Lookup
from optimizr.source.shard import WHOLE, Shard

_LONGEST = 1 << 20
"""Bytes of a line; a longer one is not one of ours."""


class Line(NamedTuple):
    """A line of the list."""

    number: int
    key: bytes | None
    """None if the line cannot be used."""


class FailedList:
    """A failed.jsonl as it is when it is opened; what is appended later does not count."""

    def __init__(self, path: str) -> None:
        """Open the list and look for the tree that it tells of. Raises ConfigError."""
        self._path = path
        try:
            self._file: BinaryIO = open(path, "rb")  # noqa: SIM115 - closed once it is read
            self._size = os.fstat(self._file.fileno()).st_size
            self.root = next((root for root, _ in map(_parse, self._file) if root), None)
        except OSError as error:
            raise ConfigError(
                f"input: expected a list that can be read, got {path!r} ({error.strerror}); "
                "check the spelling"
            ) from None
        if self.root is None and self._size:
            raise ConfigError(
                f"input: expected lines of failed.jsonl in {path!r}, got none; this version reads "
                "no other lists yet"
            )

    def lines(self) -> Iterator[Line]:
        """Yield the keys, in the list's order."""
        with self._file as file:
            file.seek(0)
            number = 0
            while file.tell() < self._size and (line := file.readline(_LONGEST)):
                number += 1
                if line.strip():
                    root, key = _parse(line)
                    yield Line(number, key if root == self.root else None)

    def name(self, number: int) -> bytes:
        """Name a line, for telling of it."""
        return os.fsencode(f"{self._path}:{number}")

    def count(self) -> int:
        """Count the lines."""
        with self._file as file:
            file.seek(0)
            return sum(1 for _ in file)


class Retry:
    """The items of a list."""

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
        for line in self._failed.lines():
            if line.key is None:
                if self.shard.has(self._failed.name(line.number)):
                    yield self._unusable(line)
            elif self._is_folder(line.key):
                self._seen.add(line.key)
                yield from self._new(self._among.below(line.key))
            elif self.shard.has(line.key):
                yield from self._new([self._among.item(line.key)])

    def covers(self, key: bytes) -> bool:
        """Tell whether a key was on the list, or in a folder that was."""
        return key in self._seen

    def _new(self, items: Iterable[Item]) -> Iterator[Item]:
        for item in items:
            if item.key not in self._seen:
                self._seen.add(item.key)
                yield item

    def count(self) -> int:
        """Count the lines of the list."""
        return self._failed.count()

    def _unusable(self, line: Line) -> Item:
        root = os.fsdecode(self._failed.root or b"")
        problem = PictureError(
            Stage.LIST,
            Reason.BAD_LINE,
            f"expected a line of failed.jsonl about a picture below {root!r}, got another in line "
            f"{line.number}; try it again by a list of its own",
        )
        return Item(self._failed.name(line.number), b"", problem=problem)


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
