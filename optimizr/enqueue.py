"""A queue filled from a listing: a message for each picture of an input, for workers to take."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import NamedTuple

from optimizr import inputs
from optimizr.config import Settings
from optimizr.errors import Reason
from optimizr.keys import to_text
from optimizr.pool import Stop
from optimizr.queue.batches import batches
from optimizr.queued import open_patient
from optimizr.source import Item
from optimizr.store.local import LocalStore

_BATCH = 100
"""Messages that are handed over at once; the queue cuts them as its service wants."""
_BATCH_BYTES = 1 << 20
_AT_ONCE = 8
"""Batches on their way at once."""
_LOOK_SECONDS = 0.5
"""How often it is looked if all is to end, while batches are on their way."""
_UNKNOWN = (Reason.FOLDER_UNREADABLE, Reason.BAD_LINE)
"""Items that are no pictures, but places where some may be."""


class Enqueued(NamedTuple):
    """What came of it."""

    name: str
    """The queue, for people."""
    pictures: int
    ignored: int
    """Files that are not pictures by name."""
    unreadable: int
    """Folders and lines that could not be read; their pictures are not in the queue."""


def enqueue(
    settings: Settings, url: str, stop: Stop, tell: Callable[[int], None] = lambda _: None
) -> Enqueued:
    """Send a message for each picture of the input; `tell` is told how many are sent so far.

    Ends early once `stop` is requested. Raises ConfigError if the input or the queue cannot be
    used, EnvironmentStop if one of them is gone, Cancelled if it ends before anything was sent.
    """
    store, source = inputs.open_input(settings)
    queue = open_patient("queue", url, settings, stop)
    unreadable = 0

    def bodies() -> Iterator[bytes]:
        nonlocal unreadable
        for item in source:
            if stop.requested:
                return
            if item.problem is not None and item.problem.reason in _UNKNOWN:
                unreadable += 1
                continue
            is_whole = not isinstance(store, LocalStore)  # a directory may be mounted elsewhere
            yield _body(item, store.full_path(item.key) if is_whole else None)

    sent = 0
    try:
        for count, future in _sent(queue.send, bodies()):
            while not (stop.requested or wait([future], _LOOK_SECONDS).done):
                pass  # a signal is not noticed while a thread is waited for
            if stop.requested:
                queue.hurry()
            future.result()
            sent += count
            tell(sent)
    finally:
        queue.close()
    return Enqueued(queue.name, sent, source.ignored, unreadable)


def _body(item: Item, source: str | None) -> bytes:
    key = to_text(item.key)
    told = {"key": key} if source is None else {"key": key, "source": source}
    return json.dumps(told, ensure_ascii=False).encode()


def _sent(
    send: Callable[[list[bytes]], None], bodies: Iterator[bytes]
) -> Iterator[tuple[int, Future[None]]]:
    """Send some batches at once; yield each, to be waited for, with how many messages it has."""
    on_their_way: deque[tuple[int, Future[None]]] = deque()
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="send") as pool:
        for batch in batches(bodies, len, _BATCH, _BATCH_BYTES):
            on_their_way.append((len(batch), pool.submit(send, batch)))
            if len(on_their_way) == _AT_ONCE:
                yield on_their_way.popleft()
        while on_their_way:
            yield on_their_way.popleft()
