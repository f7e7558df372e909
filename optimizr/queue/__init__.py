"""Where messages are taken from and put to: queue services, all behind `Queue`.

A message that is received is ours for as long as its lease lasts. It is gone once it is
acknowledged; if its lease ends before, or if it is given back, it is delivered again, to anybody.
So each comes at least once.

    address.py    what a URL names
    open.py       from a URL to a queue
    memory.py     a queue in memory, for tests of what stands on a queue
    services/     one file a service, through its own library; foreign errors end there
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from optimizr.patience import Refused


class Message(NamedTuple):
    """A message as it was delivered this time."""

    body: bytes
    receipt: Any
    """What the service knows this delivery by; for the queue that gave it alone."""
    name: str
    """What the service calls the message, for people."""
    deliveries: int = 0
    """How often it was delivered, this time included; 0 if the service does not count."""
    attributes: Mapping[str, str] = {}
    """What the service keeps beside the body, if anything."""


class QueueRefused(Refused):
    """What a queue's service answered instead of what it was asked for."""

    def __init__(self, got: str, is_passing: bool, advice: str = "") -> None:
        """`got` is for people, as is `advice`, for what does not pass; no credential is in them."""
        super().__init__(got)
        self.advice = advice
        self._is_passing = is_passing

    @property
    def is_passing(self) -> bool:
        """Tell whether it may be over in a moment: no connection, throttling, a restart."""
        return self._is_passing


class Queue(Protocol):
    """One queue. Its methods may be called from any thread, and all but `close` raise QueueRefused.

    Deliveries that are not ours any more, since their lease has ended or a connection was lost, are
    passed over: others have them by now.
    """

    name: str
    """For people; without credentials."""
    batch: int
    """Messages that a request takes. More are several requests, and are not all done if one of
    them is refused, so whoever asks again gives no more at once."""

    def check(self) -> None:
        """See that the queue is there and may be read."""

    def receive(self, most: int, wait_seconds: float) -> list[Message]:
        """Take up to `most` messages, and wait so long for the first; none if none came."""

    def extend(self, messages: Sequence[Message]) -> None:
        """Have leases begin anew; they are as long as those that messages are received with."""

    def ack(self, messages: Sequence[Message]) -> None:
        """Have messages gone for good."""

    def nack(self, messages: Sequence[Message], delay_seconds: float = 0) -> None:
        """Give messages back, to be delivered again after a while, to whoever asks."""

    def send(self, bodies: Sequence[bytes]) -> None:
        """Put messages; all are safe with the service when it returns."""

    def close(self) -> None:
        """Let go of the connection; what is not acknowledged is delivered again, some time."""
