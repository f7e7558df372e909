"""A fresh queue of each kind of service, as a URL that `open_queue` takes."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from optimizr.queue import Queue
from optimizr.queue.open import open_queue
from optimizr.sections import QueueSettings
from tests.servers.pubsub import PROJECT, PubSub
from tests.servers.rabbitmq import Rabbit
from tests.servers.redis import Redis
from tests.servers.sqs import Sqs

LEASE_SECONDS = 2.0
"""The shortest that can be set, so that tests need not wait for long."""


@dataclass(frozen=True, slots=True)
class Made:
    """A queue that was made for a test."""

    url: str
    missing: str
    """The URL of one beside it that does not exist."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """By which a child process finds the service."""
    has_leases: bool = True
    """Whether leases end by time; else only with the connection."""
    counts: bool = True
    """Whether deliveries are counted."""


def memory(_: Any) -> Made:
    return Made(f"memqueue://{uuid.uuid4().hex}", "")


def sqs(server: Sqs) -> Made:
    name = server.new_queue()
    return Made(f"sqs://{name}", "sqs://missing", server.environment())


def redis(server: Redis) -> Made:
    other, query = server.other_key(), "group=workers"
    stream = uuid.uuid4().hex
    return Made(f"{server.url}?stream={stream}&{query}", f"{server.url}?stream={other}&{query}")


def pubsub(server: PubSub) -> Made:
    url = f"pubsub://{PROJECT}"
    missing = f"{url}/missing"
    return Made(f"{url}/{server.new_subscription()}", missing, server.environment())


def amqp(server: Rabbit, kind: str) -> Made:
    name = server.new_queue(kind)
    return Made(f"{server.url}/{name}", f"{server.url}/missing", has_leases=False)


KINDS: dict[str, tuple[str | None, Callable[[Any], Made]]] = {
    "memqueue": (None, memory),
    "sqs": ("sqs", sqs),
    "redis": ("redis", redis),
    "amqp": ("rabbitmq", partial(amqp, kind="classic")),
    "pubsub": ("pubsub", pubsub),
    "amqp-quorum": ("rabbitmq", partial(amqp, kind="quorum")),
    "pubsub-emulator": ("pubsub_emulator", pubsub),
}
"""By service, or kind of its queue: the fixture that a queue is made from, and how."""
LONG = ("amqp-quorum", "pubsub-emulator")
"""Kinds that are tested if the long tests are asked for: others are much like them."""


def new_queue(kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Made:
    """Make a queue that is found by its URL for as long as the test lasts."""
    fixture, make = KINDS[kind]
    made = make(None if fixture is None else request.getfixturevalue(fixture))
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made


def open_at(url: str, **settings: Any) -> Queue:
    """Open the queue that a URL names."""
    return open_queue("input", url, QueueSettings(**{"lease": LEASE_SECONDS, **settings}))
