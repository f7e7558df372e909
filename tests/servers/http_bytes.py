"""HTTP/1.1 as bytes: where a message ends, without changing any of it."""

from __future__ import annotations

from asyncio import StreamReader
from collections.abc import AsyncIterator
from dataclasses import dataclass

_PIECE = 65_536


@dataclass(frozen=True, slots=True)
class Head:
    """The first line and the headers of a message."""

    raw: bytes
    first: tuple[str, str, str]
    """Method, path and version; or version, status and reason."""
    headers: dict[str, str]
    """By their names in lower case."""

    @property
    def length(self) -> int | None:
        """Bytes of the body if it tells them."""
        told = self.headers.get("content-length")
        return None if told is None else int(told)

    @property
    def chunked(self) -> bool:
        """Whether the body comes in chunks."""
        return "chunked" in self.headers.get("transfer-encoding", "").lower()

    @property
    def closes(self) -> bool:
        """Whether the connection ends with this message."""
        told = self.headers.get("connection", "").lower()
        return told == "close" or (self.first[0] == "HTTP/1.0" and told != "keep-alive")

    @property
    def status(self) -> int:
        """The status of an answer."""
        return int(self.first[1])


async def read_head(reader: StreamReader) -> Head:
    """Read up to the empty line. Raises asyncio.IncompleteReadError where there is no more."""
    raw = await reader.readuntil(b"\r\n\r\n")
    line, *rest = raw[:-4].decode("latin-1").split("\r\n")
    one, _, others = line.partition(" ")
    two, _, three = others.partition(" ")
    pairs = (header.partition(":") for header in rest)
    return Head(raw, (one, two, three), {k.strip().lower(): v.strip() for k, _, v in pairs})


async def request_body(reader: StreamReader, head: Head) -> AsyncIterator[bytes]:
    """Give the body of a request, piece by piece, as it was sent."""
    if head.chunked:
        async for piece in _chunks(reader):
            yield piece
    else:
        async for piece in _exactly(reader, head.length or 0):
            yield piece


async def answer_body(reader: StreamReader, head: Head) -> AsyncIterator[bytes]:
    """Give the body of an answer, which may also last until the connection is closed."""
    if head.chunked or head.length is not None:
        async for piece in request_body(reader, head):
            yield piece
    else:
        while piece := await reader.read(_PIECE):
            yield piece


def has_body(method: str, answer: Head) -> bool:
    """Tell whether an answer to a request of this method has a body, be it empty."""
    return method != "HEAD" and answer.status >= 200 and answer.status not in (204, 304)


async def _exactly(reader: StreamReader, length: int) -> AsyncIterator[bytes]:
    while length:
        piece = await reader.readexactly(min(length, _PIECE))
        length -= len(piece)
        yield piece


async def _chunks(reader: StreamReader) -> AsyncIterator[bytes]:
    while True:
        line = await reader.readuntil(b"\r\n")
        yield line
        size = int(line.split(b";")[0], 16)
        if not size:
            break
        async for piece in _exactly(reader, size + 2):
            yield piece
    while line != b"\r\n":  # the trailers
        line = await reader.readuntil(b"\r\n")
        yield line
