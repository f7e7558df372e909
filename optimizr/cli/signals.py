"""Ctrl-C and SIGTERM: the first asks to end, the second ends at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from optimizr.pool import Stop

_SHOW_CURSOR = b"\x1b[?25h"


@contextmanager
def stopping(what_now: str) -> Iterator[Stop]:
    """Give a Stop that signals set, for the length of a `with`; the first says `what_now`."""
    stop = Stop()

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.signal is not None:
            if os.isatty(2):
                _say(_SHOW_CURSOR)
            os._exit(128 + number)
        stop.signal = number
        name = signal.Signals(number).name
        _say(f"\noptimizr: {name}: {what_now}; once more quits at once\n".encode())

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(text: bytes) -> None:
    """Write past Python's streams: what a handler interrupts may be in the middle of a print."""
    with suppress(OSError):
        os.write(2, text)
