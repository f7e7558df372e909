"""Pictures that the messages of a queue tell of, as they come.

A message is held from when it is received until each of its pictures is settled, and no more are
held than can be begun within about a second, so that other workers have the rest.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from threading import Event

from optimizr.errors import PASSING, PictureError, Reason, Stage
from optimizr.keys import to_text
from optimizr.queue import Message
from optimizr.queue.patient import PatientQueue
from optimizr.redaction import mask_urls
from optimizr.sections import QueueSettings
from optimizr.source import Fate, Item
from optimizr.source.leases import Leases
from optimizr.source.messages import read
from optimizr.source.names import extensions, is_picture
from optimizr.source.root import Root
from optimizr.source.shard import WHOLE
from optimizr.store import Store

_POLL_SECONDS = 5.0
"""How long a request waits for messages; a run that is to end waits for it."""
_AHEAD_SECONDS = 1.0
"""How long a message may be held before it is begun, about."""
_MOST = 10
"""Messages that are asked for at once: the most that SQS gives."""
_ALONE = 3
"""From this delivery on: those who had it before may have been taken down by it, twice."""
_SHOWN = 500
"""Characters of a message that an error quotes."""


@dataclass(slots=True)
class _Delivery:
    """A message whose pictures are being worked on."""

    count: int
    """How often it was delivered; 0 if nobody knows."""
    left: int
    """Pictures that are not settled."""
    fate: Fate = Fate.DONE
    """The worst of those that are."""


class Queued:
    """Items of a queue. Workers ask for their sizes and versions."""

    shard = WHOLE
    is_whole = False

    def __init__(
        self,
        queue: PatientQueue,
        dead_letters: PatientQueue | None,
        root: Root,
        store: Store,
        formats: Iterable[str],
        settings: QueueSettings,
    ) -> None:
        """`store` is at the root, and leaves out what is an output."""
        self.ignored = 0
        """Objects passed over so far: not pictures by name, or no sources."""
        self._queue = queue
        self._queues = [queue] if dead_letters is None else [queue, dead_letters]
        self._root = root
        self._store = store
        self._endings = extensions(formats)
        self._settings = settings
        self._leases = Leases(queue, dead_letters, settings.lease.total_seconds())
        self._numbers = itertools.count(1)
        self._waiting: set[int] = set()
        """Messages of which nothing was begun."""
        self._deliveries: dict[int, _Delivery] = {}
        self._awaited_until = 0.0
        """When the last of those that were given back will have come again."""
        self._most = 1
        self._stopped = Event()

    def __iter__(self) -> Iterator[Item]:
        """Give the items of each message, as messages come."""
        self._leases.start()
        while (messages := self._next()) is not None:
            held = {next(self._numbers): message for message in messages}
            for number, message in held.items():
                self._waiting.add(number)
                self._leases.hold(number, message)
            began, count = time.monotonic(), 0
            for number, message in held.items():
                if self._stopped.is_set():
                    return
                self._waiting.discard(number)
                for item in self._items(number, message):
                    count += 1
                    yield item
            self._most = _paced(self._most, count, time.monotonic() - began)

    def count(self) -> None:
        """Know of no end."""

    def covers(self, key: bytes) -> bool:  # noqa: ARG002 - as other sources have it
        """Vouch for nothing: what failed before may have changed without a message."""
        return False

    def returns(self, item: Item, error: PictureError) -> bool:
        """Tell whether a picture that failed is to come again: in passing, and not too often."""
        deliveries = self._deliveries[item.delivery].count
        return error.reason in PASSING and deliveries < self._settings.max_deliveries

    def done(self, item: Item, fate: Fate) -> None:
        """Settle an item, once what came of it is safe; with the last one goes its message."""
        number, delivery = item.delivery, self._deliveries[item.delivery]
        delivery.left -= 1
        delivery.fate = max(delivery.fate, fate)
        if delivery.left:
            return
        del self._deliveries[number]
        if delivery.fate is Fate.RETURNED:
            after = self._settings.retry_after.total_seconds()
            self._awaited_until = time.monotonic() + after
            self._leases.give_back(number, after)
        else:
            self._leases.ack(number, is_dead=delivery.fate is Fate.FAILED)

    def trouble(self) -> str | None:
        """Tell what keeps queue or pictures from being reached just now."""
        return self._queue.trouble() or self._store.trouble()

    @property
    def error(self) -> Exception | None:
        """Why messages could not be settled, if so."""
        return self._leases.error

    def stop(self) -> None:
        """Take up nothing more, and give back at once what was not begun. May be called again."""
        self._stopped.set()
        for queue in self._queues:
            queue.hurry()
        for number in list(self._waiting):
            self._waiting.discard(number)
            self._leases.give_back(number)

    def close(self) -> None:
        """Give back what was not settled, and let go of the queue."""
        self.stop()
        self._leases.close()
        for queue in self._queues:
            queue.close()

    def _next(self) -> list[Message] | None:
        """Wait for messages; None once there are to be no more. Raises EnvironmentStop."""
        idle_exit, idle_since = self._settings.idle_exit, time.monotonic()
        most_idle = float("inf") if idle_exit is None else idle_exit.total_seconds()
        while not self._stopped.is_set():
            if self._leases.error is not None:
                raise self._leases.error
            if self._leases.count:
                idle_since = time.monotonic()
            idle_since = max(idle_since, self._awaited_until)
            left = idle_since + most_idle - time.monotonic()
            if left <= 0:
                return None
            if messages := self._queue.receive(self._most, min(_POLL_SECONDS, left)):
                return messages
        return None

    def _items(self, number: int, message: Message) -> Iterator[Item]:
        try:
            told = read(message.body, message.attributes)
            keys = [self._root.key_of(one) for one in told]
        except ValueError as error:
            self._deliveries[number] = _Delivery(message.deliveries, 1)
            yield self._unusable(number, message, error)
            return
        wanted = [key for key in keys if key is not None and self._is_wanted(key)]
        self.ignored += len(keys) - len(wanted)
        if not wanted:
            self._leases.ack(number)
            return
        self._deliveries[number] = _Delivery(message.deliveries, len(wanted))
        is_alone = message.deliveries >= _ALONE
        for key in wanted:
            yield Item(key, key + b".webp", is_unseen=True, delivery=number, alone=is_alone)

    def _is_wanted(self, key: bytes) -> bool:
        return is_picture(key.rpartition(b"/")[2], self._endings) and self._store.contains(key)

    def _unusable(self, number: int, message: Message, error: ValueError) -> Item:
        body = mask_urls(to_text(message.body[: 4 * _SHOWN]))
        shown = body if len(body) <= _SHOWN else f"{body[:_SHOWN]}..."
        why = mask_urls(str(error)[:_SHOWN])
        problem = PictureError(
            Stage.LIST,
            Reason.BAD_MESSAGE,
            f"expected a message about an object that has come below {self._root.address}, in a "
            f"form that docs/queues.md tells of, got {shown!r} ({why}); mend whoever sends it",
        )
        name = f"{self._queue.name}:{message.name}".encode()
        return Item(name, b"", problem=problem, delivery=number)


def _paced(most: int, count: int, seconds: float) -> int:
    """Tell how many messages to ask for, now that so many pictures were begun in so long."""
    soon = round(count * _AHEAD_SECONDS / seconds) if seconds else _MOST
    return max(1, min(2 * most, soon, _MOST))
