"""The lines of a list, from pieces of a file: whatever its size, a few of them are in memory.

What lines mean is not known here: see `optimizr.source.formats`.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from optimizr.errors import EnvironmentStop, PictureError, Reason
from optimizr.store import Chunks

_LONGEST = 1 << 20
"""Bytes of a line; no path or key is as long."""
_PIECE = 1 << 18
"""Bytes that are split into lines at once."""
_HEAD = 1 << 16
"""Bytes by which a format is recognised."""
_GZIP, _GZIP_WBITS = b"\x1f\x8b", 31
_BOM = b"\xef\xbb\xbf"


class Line(NamedTuple):
    """A line that is not blank."""

    number: int
    """From 1."""
    text: bytes
    """Without its end."""

    @property
    def is_too_long(self) -> bool:
        """Whether the line goes on after its text."""
        return len(self.text) > _LONGEST


class Text:
    """A list as bytes, as often as they are read; gzip is recognised by its first bytes."""

    def __init__(self, name: str, chunks: Chunks) -> None:
        """Take what the file is called, for people, and what gives it."""
        self.name = name
        self._chunks = chunks

    def lines(self) -> Iterator[Line]:
        """Yield the lines that are not blank. Raises EnvironmentStop if it cannot all be read."""
        number, rest = 0, b""
        for piece in self.pieces():
            first, *others = piece.split(b"\n")
            rest = (rest + first)[: _LONGEST + 1]
            for other in others:
                number += 1
                if rest.strip():
                    yield Line(number, rest.removesuffix(b"\r"))
                rest = other
        if rest.strip():
            yield Line(number + 1, rest.removesuffix(b"\r"))

    def pieces(self) -> Iterator[bytes]:
        """Yield what is in it, unzipped. Raises EnvironmentStop if it cannot all be read."""
        pieces = self._unzipped()
        first = next(pieces, b"").removeprefix(_BOM)
        if first:
            yield first
        yield from pieces

    def head(self) -> bytes:
        """Give the beginning, up to 64 KiB."""
        return next(self.pieces(), b"")[:_HEAD]

    def whole(self, most: int) -> bytes | None:
        """Give all of it; None if that is more than so many bytes."""
        data = bytearray()
        for piece in self.pieces():
            data += piece
            if len(data) > most:
                return None
        return bytes(data)

    def _unzipped(self) -> Iterator[bytes]:
        chunks = self._read()
        first = next(chunks, b"")
        if first.startswith(_GZIP):
            yield from self._unzip(first, chunks)
            return
        yield from _cut(first)
        for chunk in chunks:
            yield from _cut(chunk)

    def _read(self) -> Iterator[bytes]:
        try:
            yield from self._chunks()
        except PictureError as error:
            raise self._unreadable(_why(error)) from None

    def _unzip(self, chunk: bytes, others: Iterator[bytes]) -> Iterator[bytes]:
        """Unzip one member after the other, as `cat a.gz b.gz` makes them."""
        member = None
        while chunk:
            if member is None:
                chunk = chunk.lstrip(b"\0")  # as tapes and block devices pad
                member = zlib.decompressobj(_GZIP_WBITS) if chunk else None
            if member is not None:
                yield from self._unzip_some(member, chunk)
                chunk = member.unused_data if member.eof else member.unconsumed_tail
                member = None if member.eof else member
            chunk = chunk or next(others, b"")
        if member is not None:
            raise self._unreadable("a gzip that ends early; fetch or make it again")

    def _unzip_some(self, member: zlib._Decompress, data: bytes) -> Iterator[bytes]:
        try:
            text = member.decompress(data, _PIECE)
        except zlib.error:
            raise self._unreadable("a gzip that is corrupt; fetch or make it again") from None
        if text:
            yield text

    def _unreadable(self, why: str) -> EnvironmentStop:
        return EnvironmentStop(
            "list_unreadable",
            f"input: expected to read the list {self.name!r} to its end, got {why}",
        )


def count_lines(texts: Iterable[Text], most: int | None) -> int | None:
    """Count the lines of all, blank or not; None if there are more than so many bytes."""
    lines = size = 0
    for text in texts:
        last = b"\n"
        for last in text.pieces():
            lines += last.count(b"\n")
            size += len(last)
            if most is not None and size > most:
                return None
        lines += not last.endswith(b"\n")
    return lines


def _cut(chunk: bytes) -> Iterator[bytes]:
    return (chunk[at : at + _PIECE] for at in range(0, len(chunk), _PIECE))


def _why(error: PictureError) -> str:
    if error.reason is Reason.CHANGED:
        return "another: it was written to meanwhile; run again once it is at rest"
    if error.reason is Reason.NOT_FOUND:
        return "none: it is gone; bring it back and run the same command again"
    return f"this: {error.message}"
