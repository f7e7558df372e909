"""RabbitMQ, by pika: what is received is ours until it is acknowledged or the connection is lost.

No lease ends by time: while the connection lives, nobody else gets what was received on it. A
thread keeps its heartbeats going, so a worker that is gone is missed within half a minute. All
calls share the one connection, one at a time, since pika's connections are of one thread alone.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pika
from pika.exceptions import AMQPChannelError

from optimizr.queue import Message, QueueRefused
from optimizr.queue.address import Address
from optimizr.queue.services.amqp import ERRORS, parameters, refusal

logging.getLogger("pika").setLevel(logging.CRITICAL)  # what it has to say is in the refusals

_BEAT_SECONDS = 2.0
"""How often the connection is looked after; far below what heartbeats allow."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5
"""Seconds between two looks into an empty queue."""
_DELIVERIES = "x-optimizr-deliveries"
"""The header that counts the deliveries that came before a message was put anew."""
_COUNTS = ("x-delivery-count", "x-acquired-count")
"""The headers of quorum queues that count how often a message was given back."""
_NOT_COPIED = (*_COUNTS, "CC", "BCC")
"""The server's, and those that would have it take copies to other queues too."""
_PERSISTENT = 2


@dataclass(slots=True)
class _Delivery:
    body: bytes
    properties: Any
    count: int
    """How often it was delivered, this time included."""
    due: float | None = None
    """When it is to be given back, once that is asked for."""


class RabbitMQ:
    """Behaves as `optimizr.queue.Queue` says.

    Messages are fetched one by one, so that no more are held than were asked for.

    RabbitMQ has no delays: what is given back with one is held until then, and put anew at the end
    of the queue with its count of deliveries in a header; until that is done the original is not
    acknowledged, so it may come twice, but is never lost. Deliveries are those of that header and
    those that the server counts: all of a quorum queue's, and of a classic queue's one at most. A
    user who may not write to the default exchange has them given back as they are.
    """

    batch = 1

    def __init__(self, address: Address) -> None:
        self.name = address.name
        self._parameters = parameters(address)
        self._queue = address.path.partition("/")[2] or address.path
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._beats: threading.Thread | None = None
        self._connection: Any = None
        self._channel: Any = None
        """Of the deliveries."""
        self._aside: Any = None
        """For what the server may refuse: that closes a channel, and gives back its deliveries."""
        self._generation = 0
        """Counts connections: the tag of a delivery is known to its own alone."""
        self._deliveries: dict[int, _Delivery] = {}
        """Of this connection, by tag; neither acknowledged nor given back yet."""

    def check(self) -> None:
        """See that it is there; only `receive` can tell whether it may be read."""
        with self._alone():
            self._opened_aside().queue_declare(self._queue, passive=True)

    def receive(self, most: int, wait_seconds: float) -> list[Message]:
        """Look again and again, at longer and longer intervals."""
        end, pause = time.monotonic() + wait_seconds, _FIRST_PAUSE
        while True:
            with self._alone():
                self._give_back_due()
                taken = self._take(most)
            remaining = end - time.monotonic()
            if taken or remaining <= 0:
                return taken
            self._closed.wait(min(pause, remaining))
            pause = min(2 * pause, _LONGEST_PAUSE)

    def extend(self, messages: Sequence[Message]) -> None:  # noqa: ARG002 - no lease ends by time
        """Keep the connection alive, and give back what is due."""
        with self._alone():
            if self._connection is not None:
                self._give_back_due()
                self._connection.process_data_events(0)

    def ack(self, messages: Sequence[Message]) -> None:
        """Acknowledge them one by one."""
        with self._alone():
            for tag in self._ours(messages):
                self._channel.basic_ack(tag)
                del self._deliveries[tag]

    def nack(self, messages: Sequence[Message], delay_seconds: float = 0) -> None:
        """Give them back now, or hold them until it is time."""
        with self._alone():
            for tag in self._ours(messages):
                if delay_seconds > 0:
                    self._deliveries[tag].due = time.monotonic() + delay_seconds
                else:
                    self._requeue(tag)

    def send(self, bodies: Sequence[bytes]) -> None:
        """Publish them one by one; each is confirmed once it is on disk."""
        with self._alone():
            for body in bodies:
                name = uuid.uuid4().hex
                properties = pika.BasicProperties(delivery_mode=_PERSISTENT, message_id=name)
                self._publish(body, properties)

    def close(self) -> None:
        """Close the connection; the server gives back what is held."""
        self._closed.set()
        with self._lock:
            self._drop()
        if self._beats is not None:
            self._beats.join()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Have the connection to oneself, and translate what pika raises."""
        with self._lock:
            try:
                yield
            except ERRORS as error:
                if not (self._channel and self._channel.is_open and self._connection.is_open):
                    self._drop()
                raise refusal(error) from None

    def _opened(self) -> Any:
        """Give the channel of the deliveries; connect if need be."""
        if self._closed.is_set():
            raise QueueRefused("it was closed", False, "open it anew")
        if self._channel is None:
            self._connection = pika.BlockingConnection(self._parameters)
            self._channel = self._connection.channel()
            if self._beats is None:
                self._beats = threading.Thread(target=self._beat, daemon=True)
                self._beats.start()
        return self._channel

    def _opened_aside(self) -> Any:
        """Give the other channel, on which publishing waits until it is confirmed."""
        self._opened()
        if self._aside is None or not self._aside.is_open:
            self._aside = self._connection.channel()
            self._aside.confirm_delivery()
        return self._aside

    def _drop(self) -> None:
        """Let go of the connection; its deliveries are not ours any more."""
        connection = self._connection
        self._connection = self._channel = self._aside = None
        self._generation += 1
        self._deliveries.clear()
        if connection is not None and connection.is_open:
            with suppress(*ERRORS):
                connection.close()

    def _beat(self) -> None:
        """Look after the connection, whatever else is done meanwhile."""
        while not self._closed.wait(_BEAT_SECONDS):
            with suppress(QueueRefused):  # whoever asks next finds out
                self.extend(())

    def _take(self, most: int) -> list[Message]:
        channel = self._opened()
        taken: list[Message] = []
        while len(taken) < most:
            method, properties, body = channel.basic_get(self._queue)
            if method is None:
                break
            tag = method.delivery_tag
            count = _count(properties.headers or {}, method.redelivered)
            self._deliveries[tag] = _Delivery(body, properties, count)
            name = properties.message_id or str(tag)
            taken.append(Message(body, (self._generation, tag), name, count))
        return taken

    def _ours(self, messages: Sequence[Message]) -> list[int]:
        """Give the tags of those that came by this connection and are not done with."""
        return [
            tag
            for generation, tag in (message.receipt for message in messages)
            if generation == self._generation and tag in self._deliveries
        ]

    def _publish(self, body: bytes, properties: Any) -> None:
        self._opened_aside().basic_publish("", self._queue, body, properties, mandatory=True)

    def _requeue(self, tag: int) -> None:
        self._channel.basic_nack(tag, requeue=True)
        del self._deliveries[tag]

    def _give_back_due(self) -> None:
        now = time.monotonic()
        for tag, delivery in list(self._deliveries.items()):
            if delivery.due is not None and delivery.due <= now:
                self._put_anew(tag, delivery)

    def _put_anew(self, tag: int, delivery: _Delivery) -> None:
        try:
            self._publish(delivery.body, _anew(delivery))
        except AMQPChannelError:  # the queue is full, or it is not allowed
            self._requeue(tag)
        else:
            self._channel.basic_ack(tag)
            del self._deliveries[tag]


def connect(address: Address, lease_seconds: float) -> RabbitMQ:  # noqa: ARG001 - it has none
    """Give the queue of amqp://[USER:PASSWORD@]HOST[:PORT]/[VHOST/]QUEUE; amqps for TLS.

    Without VHOST it is in the virtual host `/`, without USER one is `guest`, as the server's
    defaults are. The server is reached when it is first asked for something.
    """
    return RabbitMQ(address)


def _count(headers: Mapping[str, Any], is_redelivered: bool) -> int:
    by_server = max(is_redelivered, *(_number(headers, name) for name in _COUNTS))
    return _number(headers, _DELIVERIES) + by_server + 1


def _number(headers: Mapping[str, Any], name: str) -> int:
    value = headers.get(name)
    return value if isinstance(value, int) else 0


def _anew(delivery: _Delivery) -> Any:
    """Give what a message has beside its body, its count with it."""
    properties = delivery.properties
    old = properties.headers or {}
    kept = {name: value for name, value in old.items() if name not in _NOT_COPIED}
    properties.headers = kept | {_DELIVERIES: delivery.count}
    properties.user_id = None  # may be another's, which is refused
    return properties
