"""An end for pictures that take too long, or that are not wanted any more.

libvips stops a pipeline whose image is marked as killed: its loops look at the mark, and libwebp
asks through a progress hook. One thread for the whole process looks after all conversions, so
nothing is called back from inside libvips, which would wait for Python's lock.
"""

from __future__ import annotations

import threading
import time
from typing import Any, Self

from optimizr.errors import Cancelled

_PERIOD_SECONDS = 0.1

_active: set[Deadline] = set()
_changed = threading.Condition()
_watchman = threading.Thread()


class Deadline:
    """Kills what it watches once the time is up or `cancelled` is set; for the length of a `with`.

    Entering raises Cancelled if it is set by then.
    """

    def __init__(self, seconds: float, cancelled: threading.Event | None = None) -> None:
        self._at = time.monotonic() + seconds
        self._cancelled = cancelled or threading.Event()
        self._images: list[Any] = []
        self.expired = False

    def __enter__(self) -> Self:
        self.check()
        _start_watchman()
        with _changed:
            _active.add(self)
            _changed.notify()
        return self

    def __exit__(self, *_: object) -> None:
        with _changed:
            _active.discard(self)
        self._images = []  # anew, not cleared: the watchman may be going through it

    def watch(self, image: Any) -> Any:
        """Give a picture that can be killed, to evaluate in place of this one."""
        image = image.copy()
        image.set_progress(True)  # without, libvips does not look at the mark
        self._images.append(image)
        return image

    def check(self) -> None:
        """Raise Cancelled if the work is not wanted any more."""
        if self._cancelled.is_set():
            raise Cancelled

    def look(self) -> None:
        """Kill what is watched if it is time; again and again, since libvips clears marks."""
        self.expired |= time.monotonic() >= self._at
        if self.expired or self._cancelled.is_set():
            for image in self._images:
                image.set_kill(True)


def _start_watchman() -> None:
    global _watchman
    with _changed:
        if not _watchman.is_alive():
            _watchman = threading.Thread(target=_watch, name="deadlines", daemon=True)
            _watchman.start()


def _watch() -> None:
    while True:
        with _changed:
            while not _active:
                _changed.wait()
            deadlines = list(_active)
        while deadlines:  # and holds none of them while it sleeps
            deadlines.pop().look()
        time.sleep(_PERIOD_SECONDS)
