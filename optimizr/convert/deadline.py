"""An end for pictures that take too long, or that are not wanted any more.

libvips stops a pipeline whose image is marked as killed: its loops look at the mark, and its saver
asks through a progress hook. libwebp, called directly, stops when its hook says so; only while it
encodes transparency or makes `sharp_yuv` planes it asks nobody. One thread for the whole process
looks after all conversions, so nothing is called back from inside libvips or libwebp while all is
well, which would wait for Python's lock.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

from optimizr.errors import Cancelled, OptimizrError

_PERIOD_SECONDS = 0.1

_active: set[Deadline] = set()
_changed = threading.Condition()
_watchman = threading.Thread()


class Expired(OptimizrError):  # noqa: N818 - the time is up, which is no mistake
    """The time is up."""


class Deadline:
    """Stops what it watches once the time is up or `cancelled` is set; for the length of a `with`.

    Entering raises Cancelled if it is set by then.
    """

    def __init__(self, seconds: float, cancelled: threading.Event | None = None) -> None:
        self._at = time.monotonic() + seconds
        self._cancelled = cancelled or threading.Event()
        self._stop: Callable[[], object] | None = None
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

    @contextmanager
    def calling(self, stop: Callable[[], object]) -> Iterator[None]:
        """Have `stop` called when it is time, if that is before the `with` ends.

        It is called from another thread, and again and again.
        """
        self._stop = stop
        try:
            yield
        finally:
            self._stop = None

    @contextmanager
    def watch(self, image: Any) -> Iterator[Any]:
        """Give a picture that can be killed, to evaluate in place of this one."""
        image = image.copy()
        image.set_progress(True)  # without, libvips does not look at the mark
        with self.calling(lambda: image.set_kill(True)):
            yield image

    def check(self) -> None:
        """Raise Cancelled if the work is not wanted any more, Expired if its time is up."""
        if self._cancelled.is_set():
            raise Cancelled
        if self.expired:
            raise Expired

    def look(self) -> None:
        """Stop what is watched if it is time; again and again, since libvips clears marks."""
        self.expired |= time.monotonic() >= self._at
        stop = self._stop
        if stop is not None and (self.expired or self._cancelled.is_set()):
            stop()


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
