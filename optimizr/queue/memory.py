"""A queue in memory: of this process, found by its name, with leases as the services have them.

Tests of what stands on a queue run with it.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from optimizr.queue import Message


@dataclass(slots=True)
class _Entry:
    body: bytes
    is_free_at: float = 0.0
    deliveries: int = 0


@dataclass(slots=True)
class _Line:
    """What all who open a name share."""

    entries: dict[int, _Entry] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=threading.Condition)
    numbers: itertools.count[int] = field(default_factory=itertools.count)


class MemoryQueue:
    """Behaves as `Queue` says."""

    batch = 1000
    lines: ClassVar[dict[str, _Line]] = {}

    def __init__(self, name: str, lease_seconds: float) -> None:
        self.name = f"memqueue://{name}"
        self._lease_seconds = lease_seconds
        self._line = self.lines.setdefault(name, _Line())

    def check(self) -> None:
        """Find it."""

    def receive(self, most: int, wait_seconds: float) -> list[Message]:
        """Take the oldest that nobody has."""
        end = time.monotonic() + wait_seconds
        with self._line.changed:
            while not self._free() and (now := time.monotonic()) < end:
                times = [entry.is_free_at for entry in self._line.entries.values()]
                self._line.changed.wait(min([end, *times]) - now)
            return [self._deliver(number) for number in self._free()[:most]]

    def _free(self) -> list[int]:
        now = time.monotonic()
        return [number for number, entry in self._line.entries.items() if entry.is_free_at <= now]

    def _deliver(self, number: int) -> Message:
        entry = self._line.entries[number]
        entry.is_free_at = time.monotonic() + self._lease_seconds
        entry.deliveries += 1
        return Message(entry.body, (number, entry.deliveries), str(number), entry.deliveries)

    def _ours(self, messages: Sequence[Message]) -> list[_Entry]:
        """Give those whose delivery is the last one; under the lock."""
        found = []
        for message in messages:
            number, delivery = message.receipt
            entry = self._line.entries.get(number)
            if entry is not None and entry.deliveries == delivery:
                found.append(entry)
        return found

    def extend(self, messages: Sequence[Message]) -> None:
        """Keep them from others."""
        with self._line.changed:
            for entry in self._ours(messages):
                entry.is_free_at = time.monotonic() + self._lease_seconds

    def ack(self, messages: Sequence[Message]) -> None:
        """Remove them; whoever has one now is passed over when it says so too."""
        with self._line.changed:
            for message in messages:
                self._line.entries.pop(message.receipt[0], None)

    def nack(self, messages: Sequence[Message], delay_seconds: float = 0) -> None:
        """Let others have them."""
        with self._line.changed:
            for entry in self._ours(messages):
                entry.is_free_at = time.monotonic() + delay_seconds
            self._line.changed.notify_all()

    def send(self, bodies: Sequence[bytes]) -> None:
        """Put them at the end."""
        with self._line.changed:
            for body in bodies:
                self._line.entries[next(self._line.numbers)] = _Entry(body)
            self._line.changed.notify_all()

    def close(self) -> None:
        """Do nothing."""
