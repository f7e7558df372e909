"""Which of a list's lines a shard reads, where no shard should have to read them all.

A text is cut into ranges of bytes, each of which begins with the first line that begins in it. What
cannot be cut, as it is zipped or lies in many files, is laid out on a line as long as all files
together, and that is cut instead: a row lies in its file where a hash of its key says. So a shard
reads only the files that its range has a part of, and each row is exactly one shard's, whatever
their number and sizes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from optimizr.source.lines import Text
from optimizr.source.shard import Shard

_HASHES = 1 << 64


class Part(NamedTuple):
    """A file of a list."""

    open: Callable[[], Text]
    """Raises PictureError or EnvironmentStop."""
    size: int = 1
    """Bytes, or a number that is the same for all where they are not known."""


class Portion(NamedTuple):
    """What a shard reads of a file."""

    text: Text
    has: Callable[[bytes], bool]
    """Tells whether a key in it is this shard's."""


def portions(parts: Sequence[Part], shard: Shard) -> Iterator[Portion]:
    """Yield what is a shard's of each part that it has any of."""
    if shard.count == 1:
        yield from (Portion(part.open(), _all) for part in parts)
        return
    if len(parts) == 1:
        text = parts[0].open()
        if not text.is_zipped:
            yield Portion(text.cut(shard.index, shard.count), _all)
            return
    total = sum(part.size for part in parts)
    first, end = (total * _HASHES * at // shard.count for at in (shard.index, shard.index + 1))
    begin = 0
    for part in parts:
        after = begin + part.size * _HASHES
        if begin < end and first < after:
            yield Portion(part.open(), _within(begin, part.size, range(first, end)))
        begin = after


def _all(_key: bytes) -> bool:
    return True


def _within(begin: int, size: int, wanted: range) -> Callable[[bytes], bool]:
    def has(key: bytes) -> bool:
        digest = hashlib.blake2b(key, digest_size=8).digest()
        return begin + int.from_bytes(digest) * size in wanted

    return has
