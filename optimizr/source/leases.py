"""Messages that are being worked on: kept from other workers, then settled with their queue.

One thread speaks with the service, so that neither workers nor the thread that runs wait for it,
and leases are extended however long a picture takes. Another one puts dead letters: their queue may
be of another service, and a message is held for as long as that does not answer.
"""

from __future__ import annotations

import threading
import time
from typing import NamedTuple

from optimizr.queue import Message
from optimizr.queue.patient import PatientQueue
from optimizr.source.messages import whole

_GATHER_SECONDS = 0.05
"""How long what is to be settled gathers: services take several messages in a request."""
_CLOSE_SECONDS = 10.0
"""How long a service may take at the end; what is not settled by then is delivered again."""


class _Settled(NamedTuple):
    """What is to become of messages."""

    done: list[Message]
    returned: list[tuple[Message, float]]
    """With the seconds until they may come again."""


class Leases:
    """Of one queue, from `start` to `close`. Its methods may be called from any thread."""

    def __init__(
        self, queue: PatientQueue, dead_letters: PatientQueue | None, lease_seconds: float
    ) -> None:
        self.error: Exception | None = None
        """Why nothing is settled any more."""
        self._queue = queue
        self._dead_letters = dead_letters
        self._every_seconds = lease_seconds / 3
        self._held: dict[int, Message] = {}
        self._dead: list[int] = []
        """Numbers of what is held until it is with the dead letters."""
        self._settled = _Settled([], [])
        self._changed = threading.Condition()
        self._are_dead_told = False
        """Whether no more are to be put to the dead letters."""
        self._is_closing = False
        self._thread = threading.Thread(target=self._serve, name="leases", daemon=True)
        self._burier = threading.Thread(target=self._bury, name="dead letters", daemon=True)

    def start(self) -> None:
        """Begin to extend leases, and to settle."""
        self._thread.start()
        if self._dead_letters is not None:
            self._burier.start()

    @property
    def count(self) -> int:
        """How many messages are held."""
        return len(self._held)

    def hold(self, number: int, message: Message) -> None:
        """Keep a message from others until it is settled by its number."""
        with self._changed:
            self._held[number] = message

    def ack(self, number: int, is_dead: bool = False) -> None:
        """Have a message gone; one that `is_dead` goes to the dead letters, if there are any."""
        with self._changed:
            if is_dead and self._dead_letters is not None:
                self._dead.append(number)
            elif (message := self._held.pop(number, None)) is not None:
                self._settled.done.append(message)
            self._changed.notify_all()

    def give_back(self, number: int, delay_seconds: float = 0) -> None:
        """Have a message delivered again."""
        with self._changed:
            if (message := self._held.pop(number, None)) is not None:
                self._settled.returned.append((message, delay_seconds))
                self._changed.notify_all()

    def close(self) -> None:
        """Give back all that is held, and wait until all is settled, for some seconds at most."""
        end = time.monotonic() + _CLOSE_SECONDS
        with self._changed:
            self._are_dead_told = True
            self._changed.notify_all()
        if self._burier.is_alive():
            self._burier.join(_CLOSE_SECONDS / 2)
        with self._changed:
            self._is_closing = True
            self._settled.returned.extend((message, 0) for message in self._held.values())
            self._held.clear()
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(end - time.monotonic())

    def _serve(self) -> None:
        due = time.monotonic() + self._every_seconds
        try:
            while True:
                settled, held, is_last = self._turn(due)
                self._settle(settled)
                if is_last:
                    return
                if time.monotonic() >= due:
                    due = time.monotonic() + self._every_seconds
                    self._queue.extend(held)
        except Exception as error:  # noqa: BLE001 - raised by the source, in whose turn it can be
            self.error = self.error or error

    def _turn(self, due: float) -> tuple[_Settled, list[Message], bool]:
        """Wait for something to do; give what is to be settled, what is held, and if it ends."""
        with self._changed:
            if not self._is_closing and not any(self._settled):
                self._changed.wait(max(0.0, due - time.monotonic()))
            if not self._is_closing and any(self._settled):
                self._changed.wait_for(lambda: self._is_closing, _GATHER_SECONDS)
            settled, self._settled = self._settled, _Settled([], [])
            return settled, list(self._held.values()), self._is_closing

    def _settle(self, settled: _Settled) -> None:
        """Tell the queue."""
        if settled.done:
            self._queue.ack(settled.done)
        for delay in sorted({delay for _, delay in settled.returned}):
            self._queue.nack([found for found, after in settled.returned if after == delay], delay)

    def _bury(self) -> None:
        """Put dead letters, and only then have their messages gone: rather twice than never."""
        assert self._dead_letters is not None
        try:
            while (dead := self._next_dead()) is not None:
                self._dead_letters.send(
                    [whole(found.body, found.attributes) for found in dead.values()]
                )
                for number in dead:
                    self.ack(number)
        except Exception as error:  # noqa: BLE001 - raised by the source, in whose turn it can be
            self.error = self.error or error

    def _next_dead(self) -> dict[int, Message] | None:
        """Wait for dead letters, by number; None once there are to be no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._dead or self._are_dead_told)
            if not self._dead:
                return None
            self._changed.wait_for(lambda: self._are_dead_told, _GATHER_SECONDS)
            numbers, self._dead = self._dead, []
            return {number: self._held[number] for number in numbers if number in self._held}
