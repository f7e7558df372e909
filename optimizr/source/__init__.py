"""Where items come from: a lazy stream, never a list of the whole."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple, Protocol

from optimizr.errors import PictureError
from optimizr.source.shard import Shard


class Item(NamedTuple):
    """One picture to be done."""

    key: bytes
    """Its key in the input."""
    output: bytes
    """The key of its WebP in the output."""
    size: int = 0
    """Bytes."""
    version: str = ""
    """Of the content, as the store tells it when listing."""
    problem: PictureError | None = None
    """What is found wrong with it already; such an item only fails."""
    replaces: bool = False
    """Whether an output that optimizr made stands at `output`."""
    is_new: bool = False
    """Whether nothing stood at `output` when it was listed."""
    is_doubtful: bool = False
    """Whether what stands at `output` must be asked, if it is up to date and whose it is."""
    superseded: bytes | None = None
    """The key of a copy of it that optimizr made; it goes once there is a WebP instead, or none."""
    is_unseen: bool = False
    """Whether its size and version are yet to be asked for."""
    delivery: int = 0
    """Which message it came by, of a queue's source; 0 of others."""
    is_outdated: bool = False
    """Whether its picture was written to before what came of it was in the output: another worker
    may have put there what is newer, so its message is to come again."""
    stretch: int = 0
    """Which stretch of the listing it is in, from 1; 0 without. See `optimizr.seals`."""
    alone: bool = False
    """Whether it must be converted in a process of its own: it may take down ours."""


class Fate(IntEnum):
    """What became of an item of a message; of a message with several, the greatest."""

    DONE = 0
    FAILED = 1
    """For good, and somebody is told of it."""
    RETURNED = 2
    """It is to come again."""


class Lookup(Protocol):
    """Whoever gives items by their keys."""

    @property
    def ignored(self) -> int:
        """Files passed over so far."""

    def item(self, key: bytes) -> Item:
        """Give one item, with the output that it has among all."""

    def below(self, key: bytes) -> Iterator[Item]:
        """Give the items at or below a folder."""


class Source(Protocol):
    """Where items come from. Used by one thread at a time."""

    @property
    def shard(self) -> Shard:
        """Which part of them comes by."""

    @property
    def is_whole(self) -> bool:
        """Whether all that the store has comes by."""

    @property
    def ignored(self) -> int:
        """Files passed over so far that are not pictures by name, and links not followed."""

    def covers(self, key: bytes) -> bool:
        """Tell, at the end, whether what failed at a key before has come by or is there no more."""

    def __iter__(self) -> Iterator[Item]:
        """Give the items, each asked about when its turn comes."""

    def count(self) -> int | None:
        """Count the items without asking about any; None if nobody knows, or it takes too long."""
