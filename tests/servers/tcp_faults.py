"""A proxy for services that do not speak HTTP: it resets connections, delays them, goes away."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from asyncio import StreamReader, StreamWriter

from tests.servers.proxy import Proxy

_PIECE = 1 << 16


class TcpFaults(Proxy):
    """What happens between a client and a server; all attributes may change at any time."""

    def __init__(self, target: str) -> None:
        """`target` is host and port, as `address` is."""
        super().__init__()
        host, _, port = target.partition(":")
        self._target = (host, int(port))
        self.reset_every = 0
        """Pieces from the client of which the last is passed on, and then the connection reset:
        what was asked is done, and its answer lost."""
        self.down = False
        """Whether every connection is reset."""
        self.resets = 0
        self._pieces = 0

    async def handle(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Pass on what both sides say."""
        with contextlib.suppress(OSError):
            from_server, to_server = await asyncio.open_connection(*self._target)
            back = asyncio.create_task(_pass_on(from_server, writer))
            try:
                await self._forward(reader, to_server)
            finally:
                back.cancel()
                with contextlib.suppress(asyncio.CancelledError, OSError):
                    await back
                _reset(writer)
                to_server.close()

    async def _forward(self, reader: StreamReader, to_server: StreamWriter) -> None:
        """Pass on what the client says until the connection is to be reset."""
        while not self.down and (piece := await reader.read(_PIECE)) and not self.down:
            to_server.write(piece)
            await to_server.drain()
            self._pieces += 1
            if self.reset_every and self._pieces % self.reset_every == 0:
                self.resets += 1
                await asyncio.sleep(0.01)  # the server has got it
                return


async def _pass_on(reader: StreamReader, writer: StreamWriter) -> None:
    while piece := await reader.read(_PIECE):
        writer.write(piece)
        await writer.drain()
    writer.close()


def _reset(writer: StreamWriter) -> None:
    raw: socket.socket = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
