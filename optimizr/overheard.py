"""What libraries and Python say beside the events, gathered so that it becomes events too.

libvips speaks through the logger `pyvips`; Python has warnings, and errors that no code can catch:
those that end a thread or come out of a finalizer. Any thread may say something; the thread that
runs asks for it. Ten million odd pictures may warn ten million times, so words are told by their
shape: the message with its numbers left out. The shapes kept are bounded, and each is told at
longer and longer intervals, so the log and the memory are bounded whatever is said.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from optimizr.errors import mistake
from optimizr.events import Event, RunCrashed, RunWarned
from optimizr.redaction import exporter_secrets, scrub

MOST_SHAPES = 100
"""Shapes that are told one by one; what is of another shape is only counted."""
FIRST_PAUSE = 60.0
"""Seconds until a shape is told for the second time; doubled each time."""
_OTHERS = f"more warnings, of other kinds than the first {MOST_SHAPES}; they are only counted"
_MOST_TEXT = 2000
"""Characters of a message."""
_MOST_TRACE = 8000
"""Characters of a traceback, the last ones."""
_NUMBER = re.compile(r"0x[0-9a-fA-F]+|\d+")

_log = logging.getLogger("optimizr")


class _Shape:
    """Words that differ in their numbers at most."""

    def __init__(self, origin: str, message: str, trace: str | None, crashed: bool) -> None:
        self.origin = origin
        self.message = message
        self.trace = trace
        self.crashed = crashed
        self.untold = 0
        self.next = 0.0
        self._pause = FIRST_PAUSE

    def tell(self, now: float) -> Iterator[Event]:
        """Give what was not told, and let a while pass until the next time."""
        count, self.untold = self.untold, 0
        self.next = now + self._pause
        self._pause *= 2
        if self.crashed:  # once: what follows is of the same kind
            self.crashed = False
            count -= 1
            yield RunCrashed(message=self.message, traceback=self.trace or "")
        if count:
            yield RunWarned(
                origin=self.origin,
                message=self.message,
                repeated=count,
                traceback=self.trace,
            )


class Overheard(logging.Handler):
    """Gathers what is logged, from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(logging.WARNING)
        self._clock = clock
        self._secrets = exporter_secrets(os.environ)
        self._shapes: dict[tuple[str, str, bool], _Shape] = {}
        self._others = _Shape(_log.name, _OTHERS, trace=None, crashed=False)

    def emit(self, record: logging.LogRecord) -> None:
        """Take note of a record; `handle` holds the lock."""
        message = scrub(_printable(_message(record), _MOST_TEXT), self._secrets)
        error = _error(record)
        crashed = error is not None and record.levelno >= logging.CRITICAL
        key = (record.name, _NUMBER.sub("#", message), crashed)
        shape = self._shapes.get(key)
        if shape is None and len(self._shapes) >= MOST_SHAPES:
            shape = self._others
        elif shape is None:
            trace = None if error is None else scrub(_traceback(error), self._secrets)
            shape = self._shapes[key] = _Shape(record.name, message, trace, crashed)
        shape.untold += 1

    def told(self, last: bool = False) -> list[Event]:
        """Give what is to be told by now, as events; with `last` whatever is left."""
        now = self._clock()
        self.acquire()
        try:
            due = [
                shape
                for shape in (*self._shapes.values(), self._others)
                if shape.untold and (last or now >= shape.next)
            ]
            return [event for shape in due for event in shape.tell(now)]
        finally:
            self.release()


@contextmanager
def listening() -> Iterator[Overheard]:
    """Hear what is said in this process, for the length of a `with`.

    For a program only: the root logger and Python's hooks are those of whoever owns the process.
    """
    overheard = Overheard()
    hooks = threading.excepthook, sys.unraisablehook
    logging.getLogger().addHandler(overheard)
    logging.captureWarnings(True)
    threading.excepthook, sys.unraisablehook = _end_of_thread, _unraisable
    try:
        yield overheard
    finally:
        threading.excepthook, sys.unraisablehook = hooks
        logging.captureWarnings(False)
        logging.getLogger().removeHandler(overheard)


def crash(error: BaseException) -> RunCrashed:
    """Tell of an error that nobody made on purpose."""
    return RunCrashed(message=_printable(mistake(error), _MOST_TEXT), traceback=_traceback(error))


def _end_of_thread(args: Any) -> None:
    if not isinstance(args.exc_value, SystemExit):
        _log.critical(mistake(args.exc_value), exc_info=args[:3])


def _unraisable(args: Any) -> None:
    where = f"{args.err_msg or 'exception ignored in'} {type(args.object).__name__}"
    said = f"{where}: {args.exc_type.__name__}: {args.exc_value}"
    _log.error(said, exc_info=(args.exc_type, args.exc_value, args.exc_traceback))


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage().strip()
    except Exception:  # noqa: BLE001 - a slip in a library's words must not become our mistake
        return f"{record.msg!r} with arguments that do not fit it"


def _error(record: logging.LogRecord) -> BaseException | None:
    return record.exc_info[1] if record.exc_info else None


def _traceback(error: BaseException) -> str:
    text = "".join(traceback.format_exception(error))
    return _printable(text[-_MOST_TRACE:], _MOST_TRACE)


def _printable(text: str, most: int) -> str:
    """Cut a text, and write out what UTF-8 cannot hold: names may be in it that are no text."""
    return text[:most].encode(errors="backslashreplace").decode()
