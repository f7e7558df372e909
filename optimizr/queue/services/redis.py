"""Redis Streams, by redis-py: a group's entries are each one consumer's until it acknowledges them.

A lease is the time that an entry was idle: whoever asks claims what others have left idle for too
long, and what we are at work on is claimed again by ourselves, which makes its time begin anew.
"""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from optimizr.queue import Message, QueueRefused
from optimizr.queue.address import Address

_BODY = b"body"
"""The field of an entry that has its body; one without such a field is an object of its fields."""
_ANSWER_SECONDS = 10.0
_BLOCK_SECONDS = 1.0
"""How long the server waits for new entries until it is asked again for those left idle."""
_PORT = 6379


class RedisStream:
    """Behaves as `optimizr.queue.Queue` says; deliveries are counted by the service.

    Entries are deleted once they are acknowledged if no other group reads the stream when `check`
    is called; else they stay. What is given back with a delay comes again after the lease at most.
    """

    batch = 1000

    def __init__(self, client: Any, address: Address, lease_seconds: float) -> None:
        self.name = address.name
        self._client = client
        self._stream = address.query["stream"]
        self._group = address.query["group"]
        self._lease_ms = round(lease_seconds * 1000)
        self._consumer = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._cursor = b"0-0"
        """Up to where the entries of all consumers were looked at for some left idle."""
        self._is_ours_alone = False

    def check(self) -> None:
        """See that it can be read; the group, and with it the stream, is made if it is not there.

        A new group begins with the oldest entry.
        """
        with _translated():
            try:
                self._client.xgroup_create(self._stream, self._group, id="0", mkstream=True)
            except redis.ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise
            self._is_ours_alone = len(self._client.xinfo_groups(self._stream)) == 1

    def receive(self, most: int, wait_seconds: float) -> list[Message]:
        """Claim what others have left, else take what is new, once a second.

        Once the service has answered, a later request that fails in passing ends the wait with
        nothing: tried again as a whole, a long wait might never come to its end.
        """
        end = time.monotonic() + wait_seconds
        found = self._look(most, end)
        while not found and time.monotonic() < end:
            try:
                found = self._look(most, end)
            except QueueRefused as refused:
                if not refused.is_passing:
                    raise
                return []
        return found

    def _look(self, most: int, end: float) -> list[Message]:
        with _translated():
            remaining = min(end - time.monotonic(), _BLOCK_SECONDS)
            return self._left(most) or self._new(most, max(1, round(remaining * 1000)))

    def _left(self, most: int) -> list[Message]:
        self._cursor, entries, *_ = self._client.xautoclaim(
            *(self._stream, self._group, self._consumer, self._lease_ms),
            start_id=self._cursor,
            count=most,
        )
        found = [(name, fields) for name, fields in entries if fields]
        pipeline = self._client.pipeline(transaction=False)
        for name, _ in found:
            pipeline.xpending_range(self._stream, self._group, name, name, 1)
        return [
            _message(name, fields, pending[0]["times_delivered"] if pending else 0)
            for (name, fields), pending in zip(found, pipeline.execute(), strict=True)
        ]

    def _new(self, most: int, block_ms: int) -> list[Message]:
        answer = self._client.xreadgroup(
            *(self._group, self._consumer, {self._stream: ">"}), count=most, block=block_ms
        )
        return [
            _message(name, fields, 1) for _, entries in answer or () for name, fields in entries
        ]

    def extend(self, messages: Sequence[Message]) -> None:
        """Have their idle times begin anew."""
        self._claim(messages, 0)

    def ack(self, messages: Sequence[Message]) -> None:
        """Acknowledge them, and delete them if nobody else reads them."""
        if not messages:
            return
        names = [message.receipt for message in messages]
        with _translated():
            pipeline = self._client.pipeline()
            pipeline.xack(self._stream, self._group, *names)
            if self._is_ours_alone:
                pipeline.xdel(self._stream, *names)
            pipeline.execute()

    def nack(self, messages: Sequence[Message], delay_seconds: float = 0) -> None:
        """Have them look idle for as long as is needed for others to claim them then."""
        self._claim(messages, max(0, self._lease_ms - round(delay_seconds * 1000)))

    def _claim(self, messages: Sequence[Message], idle_ms: int) -> None:
        """Set how long entries have been idle, of those that are ours still."""
        if not messages:
            return
        with _translated():
            ours = {found["message_id"] for found in self._pending()}
            if names := [message.receipt for message in messages if message.receipt in ours]:
                self._client.xclaim(
                    *(self._stream, self._group, self._consumer, 0, names),
                    idle=idle_ms,
                    justid=True,
                )

    def _pending(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._client.xpending_range(
            *(self._stream, self._group, "-", "+", 10_000), consumername=self._consumer
        )
        return found

    def send(self, bodies: Sequence[bytes]) -> None:
        """Add entries."""
        for start in range(0, len(bodies), self.batch):
            with _translated():
                pipeline = self._client.pipeline(transaction=False)
                for body in bodies[start : start + self.batch]:
                    pipeline.xadd(self._stream, {_BODY: body})
                pipeline.execute()

    def close(self) -> None:
        """Take leave of the group, unless entries are ours still: they would be lost with us."""
        try:
            if not self._pending():
                self._client.xgroup_delconsumer(self._stream, self._group, self._consumer)
        except redis.RedisError:
            pass  # a name is left in the group, which does no harm
        self._client.close()


def connect(address: Address, lease_seconds: float) -> RedisStream:
    """Give a stream of a server; it is reached when it is first asked for something."""
    where = urlsplit(f"//{address.host}")
    client = redis.Redis(
        host=where.hostname or "",
        port=where.port or _PORT,
        db=int(address.path or 0),
        username=address.user or None,
        password=address.password,
        ssl=address.scheme == "rediss",
        socket_timeout=_BLOCK_SECONDS + _ANSWER_SECONDS,
        socket_connect_timeout=_ANSWER_SECONDS,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
    )
    return RedisStream(client, address, lease_seconds)


def _message(name: bytes, fields: Mapping[bytes, bytes], deliveries: int) -> Message:
    body = fields.get(_BODY)
    if body is None:
        words = {_text(field): _text(value) for field, value in fields.items()}
        body = json.dumps(words).encode()
    return Message(body, name, name.decode(), deliveries)


def _text(value: bytes) -> str:
    return value.decode(errors="replace")


_PASSING = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.exceptions.TryAgainError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.MasterDownError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.OutOfMemoryError,
    OSError,
)
"""A restart, a failover, a server without memory."""


@contextmanager
def _translated() -> Iterator[None]:
    """Raise what redis-py raises as QueueRefused."""
    try:
        yield
    except (redis.AuthenticationError, redis.exceptions.AuthorizationError):
        raise QueueRefused("the credentials are refused", False, _CREDENTIALS) from None
    except redis.exceptions.NoPermissionError:
        raise QueueRefused("permission denied", False, "see the user's ACL") from None
    except _PASSING as error:
        raise QueueRefused(f"no answer ({type(error).__name__})", is_passing=True) from None
    except redis.RedisError as error:
        raise QueueRefused(str(error), False, _OTHER) from None


_CREDENTIALS = "see user and password in the URL"
_OTHER = "see that the key is a stream, and the group one of its groups"
