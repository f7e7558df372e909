"""A proxy that lets tests make a server slow, overloaded, broken or gone, while it runs.

It passes requests on byte by byte: what a signature of S3 covers, Host among it, stays as it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from asyncio import StreamReader, StreamWriter
from collections import Counter
from urllib.parse import urlsplit

from tests.servers.http_bytes import Head, answer_body, has_body, read_head, request_body
from tests.servers.proxy import Proxy

_BROKEN = (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError)


class _ResetError(Exception):
    """The client's connection is to be reset."""


class Faults(Proxy):
    """What happens between a client and an HTTP server; all attributes may change at any time.

    `every` counts from the start of the proxy: 3 means the third, the sixth and so on, 0 none.
    """

    def __init__(self, target: str) -> None:
        super().__init__()
        parts = urlsplit(target)
        assert parts.hostname is not None
        assert parts.port is not None
        self.target = (parts.hostname, parts.port)
        self._path = parts.path
        self.latency = 0.0
        """Seconds that each request waits."""
        self.reset_every = 0
        """Requests of which the last is reset before the server sees it."""
        self.answer_every: tuple[int, int] = (0, 503)
        """Requests of which the last is answered with a status before the server sees it."""
        self.retry_after: float | None = None
        """Seconds that such an answer asks to wait."""
        self.cut_every = 0
        """Answers with a body of which the last ends after half of it."""
        self.drop_answer_every = 0
        """PUTs of which the last is done, and its answer is dropped by a reset."""
        self.down = False
        """Whether every connection and request is reset."""
        self.requests: Counter[str] = Counter()
        """Requests that came, by method; those that were failed among them."""
        self.log: list[tuple[str, str]] = []
        """Method and path of each."""
        self._bodies = 0

    @property
    def url(self) -> str:
        """Where clients find it, with the path of the server's URL."""
        return f"http://{self.address}{self._path}"

    async def handle(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Pass on requests and answers."""
        exchange = _Exchange(self, reader, writer)
        try:
            while not self.down and await exchange.once():
                pass
            if self.down:
                _reset(writer)
        except _ResetError:
            _reset(writer)
        except _BROKEN:  # one of both has gone, or does not speak HTTP
            pass
        finally:
            exchange.close()

    async def connect(self) -> tuple[StreamReader, StreamWriter]:
        """Connect to the server."""
        return await asyncio.open_connection(*self.target, limit=1 << 20)

    async def before(self, head: Head) -> int | None:
        """Count a request; give the status that it is answered with instead of by the server."""
        method, path, _ = head.first
        self.requests[method] += 1
        self.log.append((method, path))
        number = len(self.log)
        if self.latency:
            await asyncio.sleep(self.latency)
        if self.down or _due(number, self.reset_every):
            raise _ResetError
        every, status = self.answer_every
        return status if _due(number, every) else None

    def forwarded(self, head: Head) -> bytes:
        """Give the head as the server gets it: as it came, here."""
        return head.raw

    async def replaced(self, head: Head, answer: Head, server: StreamReader) -> bytes | None:  # noqa: ARG002
        """Give a whole answer to pass on instead of the server's: none, here."""
        return None

    def drops(self, method: str, puts: int) -> bool:
        """Tell whether the answer to this request is dropped."""
        return method == "PUT" and _due(puts, self.drop_answer_every)

    def cuts(self) -> bool:
        """Count an answer with a body, and tell whether it is cut."""
        self._bodies += 1
        return _due(self._bodies, self.cut_every)


class _Exchange:
    """Requests and answers of one client's connection."""

    def __init__(self, faults: Faults, reader: StreamReader, writer: StreamWriter) -> None:
        self._faults, self._reader, self._writer = faults, reader, writer
        self._server: tuple[StreamReader, StreamWriter] | None = None

    def close(self) -> None:
        if self._server is not None:
            self._server[1].close()

    async def once(self) -> bool:
        """Pass on one request and its answer; tell whether the connection stays."""
        head = await read_head(self._reader)
        number = self._faults.requests["PUT"] + 1  # before others are counted during the wait
        status = await self._faults.before(head)
        if status is not None:
            return await self._answer(head, status)
        server, to_server = await self._connect()
        to_server.write(self._faults.forwarded(head))
        upload = asyncio.create_task(self._upload(head, to_server))
        try:
            answer = await self._final(server)
            dropped = self._faults.drops(head.first[0], number)
            await self._pass_on(head, answer, server, dropped)
            if not upload.done():  # the server has answered before it read all
                return False
            await upload
        finally:
            upload.cancel()
            with contextlib.suppress(asyncio.CancelledError, *_BROKEN):
                await upload
        return not (head.closes or answer.closes)

    async def _connect(self) -> tuple[StreamReader, StreamWriter]:
        if self._server is not None and self._server[0].at_eof():  # was idle for too long
            self.close()
            self._server = None
        if self._server is None:
            self._server = await self._faults.connect()
        return self._server

    async def _answer(self, head: Head, status: int) -> bool:
        """Answer in place of the server."""
        waits = "expect" in head.headers  # such a client sends its body only if asked to
        if not waits:
            async for _ in request_body(self._reader, head):
                pass
        lines = [f"HTTP/1.1 {status} Fault", "Content-Length: 0"]
        if self._faults.retry_after is not None:
            lines.append(f"Retry-After: {self._faults.retry_after:g}")
        if waits:
            lines.append("Connection: close")
        self._writer.write("\r\n".join([*lines, "", ""]).encode())
        await self._writer.drain()
        return not (waits or head.closes)

    async def _upload(self, head: Head, to_server: StreamWriter) -> None:
        async for piece in request_body(self._reader, head):
            to_server.write(piece)
            await to_server.drain()

    async def _final(self, server: StreamReader) -> Head:
        """Pass on what comes before an answer, such as 100 Continue; give the answer's head."""
        while (answer := await read_head(server)).status < 200:
            self._writer.write(answer.raw)
        return answer

    async def _pass_on(self, head: Head, answer: Head, server: StreamReader, dropped: bool) -> None:
        if dropped:
            raise _ResetError
        if other := await self._faults.replaced(head, answer, server):
            self._writer.write(other)
            await self._writer.drain()
            return
        self._writer.write(answer.raw)
        if has_body(head.first[0], answer) and answer.length != 0:
            pieces = answer_body(server, answer)
            if self._faults.cuts():
                whole = b"".join([piece async for piece in pieces])
                self._writer.write(whole[: len(whole) // 2])
                await self._writer.drain()
                raise ConnectionAbortedError
            async for piece in pieces:
                self._writer.write(piece)
                await self._writer.drain()
        await self._writer.drain()


def _due(number: int, every: int) -> bool:
    return every > 0 and number % every == 0


def _reset(writer: StreamWriter) -> None:
    """Close a connection so that the other side sees a reset, and no end."""
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
