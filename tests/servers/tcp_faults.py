"""A proxy for services that do not speak HTTP: it resets connections, delays them, goes away."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from asyncio import StreamReader, StreamWriter
from types import TracebackType
from typing import Self

_PIECE = 1 << 16


class TcpFaults:
    """What happens between a client and a server; all attributes may change at any time."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self.reset_every = 0
        """Pieces from the client of which the last is passed on, and then the connection reset:
        what was asked is done, and its answer lost."""
        self.latency = 0.0
        """Seconds that each piece from the client waits."""
        self.down = False
        """Whether every connection is reset."""
        self.resets = 0
        self._pieces = 0
        self._connections: set[asyncio.Task[None] | None] = set()
        self._up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    @property
    def address(self) -> str:
        """Where clients find it, as HOST:PORT."""
        return f"127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._up.wait(10), "the proxy does not listen"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self._port: int = server.sockets[0].getsockname()[1]
        self._up.set()
        await self._stop.wait()
        server.close()
        await asyncio.sleep(0.01)  # what has been accepted gets its task
        while connected := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in connected:
                task.cancel()
            await asyncio.wait(connected)
            await asyncio.sleep(0)

    async def _connected(self, reader: StreamReader, writer: StreamWriter) -> None:
        to_server: StreamWriter | None = None
        task = asyncio.current_task()
        self._connections.add(task)  # asyncio itself keeps no hold of it
        try:
            from_server, to_server = await asyncio.open_connection(*self._target)
            back = asyncio.create_task(_pass_on(from_server, writer))
            try:
                await self._forward(reader, to_server)
            finally:
                back.cancel()
                with contextlib.suppress(asyncio.CancelledError, OSError):
                    await back
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(task)
            _reset(writer)
            if to_server is not None:
                to_server.close()

    async def _forward(self, reader: StreamReader, to_server: StreamWriter) -> None:
        """Pass on what the client says until the connection is to be reset."""
        while not self.down and (piece := await reader.read(_PIECE)):
            if self.latency:
                await asyncio.sleep(self.latency)
            if self.down:
                return
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
