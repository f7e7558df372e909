"""What proxies of tests have in common: they listen on loopback, in a thread of their own."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from asyncio import StreamReader, StreamWriter
from types import TracebackType
from typing import Self


class Proxy(ABC):
    """Handles each connection by a task, for the length of a `with` block."""

    def __init__(self) -> None:
        self._connections: set[asyncio.Task[None] | None] = set()
        self._up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    @property
    def address(self) -> str:
        """Where clients find it, as HOST:PORT."""
        return f"127.0.0.1:{self._port}"

    @abstractmethod
    async def handle(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Do what a connection is for, and close what was opened besides."""

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
        server = await asyncio.start_server(
            self._connected, "127.0.0.1", 0, limit=1 << 20, backlog=1024
        )
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
        task = asyncio.current_task()
        self._connections.add(task)  # asyncio itself keeps no hold of it
        try:
            await self.handle(reader, writer)
        except asyncio.CancelledError:  # the proxy ends; asyncio would complain of each connection
            pass
        finally:
            self._connections.discard(task)
            writer.close()
