"""What tells a queue that its messages are done: only once their outcomes are safe.

An output is safe when it is written. A failure is safe when failed.jsonl has it, which a bucket
takes as a whole: it is written every few seconds while there are new ones; their messages wait.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Self

from optimizr.books import Books
from optimizr.errors import EnvironmentStop, PictureError
from optimizr.events import Event, ImageFailed, ImageSkipped
from optimizr.outcomes import RETURNED
from optimizr.pool import Stop
from optimizr.source import Fate, Item, Source
from optimizr.source.queue import Queued

_TELL_SECONDS = 5.0


class Receipts:
    """For the length of a `with` block; nothing of it matters where the source is no queue."""

    def __init__(self, source: Source, books: Books, stop: Stop) -> None:
        self._queued = source if isinstance(source, Queued) else None
        self._books = books
        self._stop = stop
        self._untold: list[Item] = []
        self._told = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Settle what is left: what has no outcome is given back."""
        if self._queued is not None:
            self._queued.close()
            if self._queued.error is not None:
                self._stop.halt(self._queued.error)

    def returns(self, item: Item, error: PictureError) -> bool:
        """Tell whether a picture that failed is left to come again. Called by workers."""
        return self._queued is not None and self._queued.returns(item, error)

    def settle(self, settled: Iterable[tuple[Item, Event]]) -> None:
        """Take note of outcomes that are recorded."""
        if self._queued is None:
            return
        for item, event in settled:
            if isinstance(event, ImageFailed) and not self._books.are_failures_told:
                self._untold.append(item)
            else:
                self._queued.done(item, _fate(item, event))

    def look(self, is_idle: bool) -> None:
        """Have failures written if it is time, or nothing else to do.

        Once the run is to end, nothing more is taken.
        """
        if self._queued is not None and self._stop.requested:
            self._queued.stop()
        is_due = is_idle or time.monotonic() - self._told > _TELL_SECONDS
        if self._untold and is_due:
            try:
                self._books.rewrite_failures()
                self.told()
            except (EnvironmentStop, PictureError) as error:
                self._stop.halt(error)

    def told(self) -> None:
        """Take note that failed.jsonl was written."""
        if self._queued is not None:
            for item in self._untold:
                self._queued.done(item, Fate.FAILED)
        self._untold.clear()
        self._told = time.monotonic()


def _fate(item: Item, event: Event) -> Fate:
    if isinstance(event, ImageFailed):
        return Fate.FAILED
    is_returned = isinstance(event, ImageSkipped) and event.reason == RETURNED
    return Fate.RETURNED if is_returned or item.is_outdated else Fate.DONE
