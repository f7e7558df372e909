"""The lines of a list, from pieces of a file: whatever its size, a few of them are in memory.

What lines mean is not known here: see `optimizr.source.formats`.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from functools import cached_property
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

    place: str
    """Its number, from 1; in a list that is cut, at which byte it begins."""
    text: bytes
    """Without its end."""

    @property
    def is_too_long(self) -> bool:
        """Whether the line goes on after its text."""
        return len(self.text) > _LONGEST


class Text:
    """A list as bytes, as often as they are read; gzip is recognised by its first bytes."""

    def __init__(self, name: str, chunks: Chunks, part: range | None = None) -> None:
        """Take what the file is called, for people, and what gives it.

        With `part` only the lines that begin at these bytes belong to it.
        """
        self.name = name
        self._chunks = chunks
        self._part = part

    @cached_property
    def is_zipped(self) -> bool:
        """Whether it is a gzip. Raises EnvironmentStop."""
        return next(self._read(), b"").startswith(_GZIP)

    def cut(self, index: int, count: int) -> Text:
        """Give one of so many parts, about as long as the others. Not of what is zipped."""
        first, end = (self._chunks.size * at // count for at in (index, index + 1))
        return Text(self.name, self._chunks, range(first, end))

    def lines(self) -> Iterator[Line]:
        """Yield the lines that are not blank. Raises EnvironmentStop if it cannot all be read."""
        if self._part is not None:
            yield from self._placed(self._part)
            return
        for number, (_, text) in enumerate(_split(self.pieces(), 0), start=1):
            if text.strip():
                yield Line(str(number), text.removesuffix(b"\r"))

    def _placed(self, part: range) -> Iterator[Line]:
        start = max(0, part.start - 1)  # if that byte ends a line, the part begins with the next
        pieces = (piece for chunk in self._read(start) for piece in _cut(chunk))
        for at, line in _split(pieces, start):
            if at >= part.stop:
                return
            text = line if at else line.removeprefix(_BOM)
            if at in part and text.strip():
                yield Line(f"byte {at}", text.removesuffix(b"\r"))

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

    def _read(self, start: int = 0) -> Iterator[bytes]:
        try:
            yield from self._chunks(start)
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


def _split(pieces: Iterable[bytes], at: int) -> Iterator[tuple[int, bytes]]:
    """Yield each line, as far as it is wanted, and where it begins; the first does so `at`."""
    rest, length = b"", 0
    for piece in pieces:
        first, *others = piece.split(b"\n")
        rest, length = (rest + first)[: _LONGEST + 1], length + len(first)
        for other in others:
            yield at, rest
            at += length + 1
            rest, length = other, len(other)
    yield at, rest


def _cut(chunk: bytes) -> Iterator[bytes]:
    return (chunk[at : at + _PIECE] for at in range(0, len(chunk), _PIECE))


def _why(error: PictureError) -> str:
    if error.reason is Reason.CHANGED:
        return "another: it was written to meanwhile; run again once it is at rest"
    if error.reason is Reason.NOT_FOUND:
        return "none: it is gone; bring it back and run the same command again"
    return f"this: {error.message}"
