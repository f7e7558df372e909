"""What a person at a terminal sees while a run lasts: a progress bar, and lines above it.

All of it goes to stderr, so that stdout holds the report, or the events, and nothing else.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Self
from urllib.parse import quote

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from optimizr.errors import OptimizrError
from optimizr.events import (
    Event,
    ImageConverted,
    ImageFailed,
    ImageSkipped,
    RunCrashed,
    RunFinished,
    RunSampled,
    RunWarned,
)
from optimizr.units import format_size

_DRAW_SECONDS = 0.1


class Terminal(Console):
    """stderr; whoever has closed it is told no more, and the run goes on."""

    def __init__(self) -> None:
        super().__init__(stderr=True)

    def on_broken_pipe(self) -> None:
        """Go quiet, where rich would end the process."""
        self.quiet = True


class Bar:
    """A progress bar with rate, time to go and bytes saved; a reader of events."""

    def __init__(self, console: Console, count: Callable[[], int | None]) -> None:
        """`count` gives the number of pictures, if it is to be known.

        It may take long, so it runs beside the run.
        """
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[detail]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task("converting", total=None, detail="")
        self._saved = 0
        self._done = 0
        self._start = self._next = time.monotonic()
        self._count = count

    def __enter__(self) -> Self:
        self._progress.start()
        threading.Thread(target=self._find_total, name="count", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, event: Event) -> None:
        """Move the bar on."""
        if isinstance(event, ImageConverted):
            self._saved += event.input_bytes - event.output_bytes
        if isinstance(event, ImageConverted | ImageFailed | ImageSkipped):
            self._done += 1
            self._show()

    def _show(self) -> None:
        """Draw it, but not for each of millions that are up to date."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _DRAW_SECONDS
        rate = self._done / max(0.001, now - self._start)
        detail = f"{rate:.1f}/s, {format_size(self._saved)} saved"
        self._progress.update(self._task, completed=self._done, detail=detail)

    def _find_total(self) -> None:
        with suppress(OptimizrError):  # of a bucket; the run says so itself, if it lasts
            self._progress.update(self._task, total=self._count())


class Lines:
    """A line for each failure and warning, and for a run's end; with `verbose` a line a picture."""

    def __init__(self, console: Console, verbose: bool) -> None:
        self._console = console
        self._verbose = verbose

    def __call__(self, event: Event) -> None:
        """Print what is worth a line."""
        text = self._text(event)
        if text:
            with suppress(OSError):
                self._console.print(Text(_printable(text)), soft_wrap=True, highlight=False)

    def _text(self, event: Event) -> str:
        match event:
            case ImageFailed():
                trace = f"\n{event.traceback}" if event.traceback else ""
                return f"failed {event.key}: {event.message} [{event.reason}]{trace}"
            case RunWarned():
                times = f" ({event.repeated} times)" if event.repeated > 1 else ""
                trace = f"\n{event.traceback.rstrip()}" if event.traceback else ""
                return f"warning: {event.origin}: {event.message}{times}{trace}"
            case RunCrashed():
                return f"{event.traceback.rstrip()}\n{event.message}"
            case RunFinished(cause="internal_error"):
                return ""  # as `run.crashed` has said
            case RunFinished(message=str(message)):
                return f"optimizr: {message}"
        return self._verbose_text(event) if self._verbose else ""

    def _verbose_text(self, event: Event) -> str:
        match event:
            case ImageConverted():
                return (
                    f"{event.key} -> {event.output} {event.width}x{event.height} "
                    f"{format_size(event.input_bytes)} -> {format_size(event.output_bytes)} "
                    f"{event.duration_ms:.0f} ms"
                )
            case ImageSkipped():
                return f"skipped {event.key} [{event.reason}]"
            case RunSampled():
                return (
                    f"memory {format_size(event.rss_bytes)} now, "
                    f"{format_size(event.peak_rss_bytes)} peak, "
                    f"{event.in_flight} pictures in flight"
                )
        return ""


def _printable(text: str) -> str:
    """Keep names from steering the terminal: what is not printable as `%XX`, new lines kept."""
    return "".join(c if c.isprintable() or c == "\n" else quote(c) for c in text)
