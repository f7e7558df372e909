"""Debian's Redis, with nothing but memory."""

from __future__ import annotations

import os
import shutil
import socket
import uuid
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import redis

from tests.servers.shared import Command
from tests.watching import free_port


class Redis(NamedTuple):
    """Where it is."""

    url: str

    @property
    def address(self) -> str:
        """Give host and port."""
        return urlsplit(self.url).netloc

    def client(self) -> redis.Redis:
        """Give a client of its own; the caller closes it."""
        return redis.Redis.from_url(self.url)

    def other_key(self) -> str:
        """Make a key that is no stream and give its name."""
        name = uuid.uuid4().hex
        with self.client() as client:
            client.set(name, "no stream")
        return name


def program() -> str | None:
    """Find the server."""
    return shutil.which("redis-server")


def command(home: Path) -> Command:
    """Tell how to start it."""
    found, port = program(), free_port()
    assert found is not None

    def ready() -> bool:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(100).startswith(b"+PONG")

    return Command(
        arguments=[
            *(found, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(home)),
            *("--save", "", "--appendonly", "no"),
        ],
        environment={"PATH": os.defpath},
        facts={"url": f"redis://127.0.0.1:{port}/0"},
        ready=ready,
    )
