"""A queue that is asked again when it refuses in passing, and whose other refusals end the run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from optimizr.errors import Cancelled, ConfigError, EnvironmentStop
from optimizr.patience import Patience
from optimizr.queue import Message, Queue, QueueRefused

R = TypeVar("R")
T = TypeVar("T")

_LAST_SECONDS = 5.0
"""Once a run is to end: how long to wait for a service that does not answer."""


class PatientQueue:
    """Has the methods of `Queue`; they raise EnvironmentStop. May be used from any thread."""

    def __init__(self, queue: Queue, give_up_seconds: float) -> None:
        self.name = queue.name
        self._queue = queue
        self._patiently = Patience(queue.name, give_up_seconds, self._answers, kind="queue")

    def check(self, setting: str, is_stopped: Callable[[], bool] = lambda: False) -> None:
        """See that it can be used, before anything is begun.

        Raises ConfigError too, and Cancelled once it `is_stopped` while the service is waited for.
        """

        def look() -> None:
            if is_stopped():
                raise Cancelled
            self._queue.check()

        try:
            self._patiently(look)
        except QueueRefused as refused:
            raise ConfigError(
                f"{setting}: expected {self.name} to be there and to let us in, got: {refused}; "
                f"{refused.advice or 'run the same command again'}"
            ) from None

    def receive(self, most: int, wait_seconds: float) -> list[Message]:
        """Take up to `most` messages, and wait so long for the first."""
        return self._ask(lambda: self._queue.receive(most, wait_seconds))

    def extend(self, messages: Sequence[Message]) -> None:
        """Have leases begin anew."""
        self._ask_for_each(self._queue.extend, messages)

    def ack(self, messages: Sequence[Message]) -> None:
        """Have messages gone for good."""
        self._ask_for_each(self._queue.ack, messages)

    def nack(self, messages: Sequence[Message], delay_seconds: float = 0) -> None:
        """Give messages back."""
        self._ask_for_each(partial(self._queue.nack, delay_seconds=delay_seconds), messages)

    def send(self, bodies: Sequence[bytes]) -> None:
        """Put messages; those of a request whose answer was lost are put twice."""
        self._ask_for_each(self._queue.send, bodies)

    def hurry(self) -> None:
        """Wait no longer than some seconds from now on: the run is to end."""
        self._patiently.give_up_seconds = min(self._patiently.give_up_seconds, _LAST_SECONDS)

    def trouble(self) -> str | None:
        """Tell what keeps it from answering just now."""
        try:
            self._queue.check()
        except QueueRefused as refused:
            return f"{self.name}: {refused}"
        return None

    def close(self) -> None:
        """Let go of the connection."""
        self._queue.close()

    def _answers(self) -> bool:
        return self.trouble() is None

    def _ask_for_each(self, request: Callable[[Sequence[T]], None], items: Sequence[T]) -> None:
        """Ask for as many at once as may be asked for again: what is done stays done."""
        for start in range(0, len(items), self._queue.batch):
            self._ask(partial(request, items[start : start + self._queue.batch]))

    def _ask(self, request: Callable[[], R]) -> R:
        try:
            return self._patiently(request)
        except QueueRefused as refused:
            raise EnvironmentStop(
                "queue_refused",
                f"expected {self.name} to answer as it did before, got: {refused}; "
                f"{refused.advice or 'mend it'}, and run the same command again",
            ) from None
