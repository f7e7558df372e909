"""Outcomes become events: stamped, folded into the summary, committed, and only then told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from optimizr.books import Books
from optimizr.errors import EnvironmentStop
from optimizr.events import (
    Event,
    ImageFailed,
    RunFinished,
    RunProgress,
    locate,
    stamp,
    trace,
)
from optimizr.job import Outcome
from optimizr.live import Live
from optimizr.pool import Stop
from optimizr.publish import served_as
from optimizr.resume import Skips
from optimizr.source import Item
from optimizr.summary import Summary, reduce

Sink = Callable[[Event], None]
"""Whoever wants to know what happens. Called in the thread of `run`, in order."""

Settle = Callable[[Iterable[tuple[Item, Outcome]]], None]
"""Is told of outcomes that are recorded and told."""

Result = tuple[Item, Outcome] | Skips
"""What comes out of the pool."""


class Recorder:
    """Stamps events, folds them into the summary and tells them on. Main thread only."""

    def __init__(
        self,
        sinks: Iterable[Sink],
        stop: Stop,
        books: Books,
        live: Live,
        span: tuple[str, str] | None = None,
        base_url: str | None = None,
        settle: Settle = lambda _: None,
    ) -> None:
        """`span` is the trace and the span that tell of the run, if it is traced.

        `base_url` is what the output is served as, if events are to say so.
        """
        self._settle_with_source = settle
        self._base_url = base_url
        self._live = live
        self._identity = live.identity
        self._span = span
        self._stop = stop
        self._books = books
        self._sinks = tuple(sinks)
        self._seq = 0
        self._started = datetime.now(UTC)
        self._clock = time.monotonic()

    @property
    def summary(self) -> Summary:
        """Of all that has been told."""
        return self._live.summary

    def __call__(self, body: Event) -> None:
        """Stamp a run's event, fold it and tell it on."""
        self.tell(*self.fold(body))

    def all(self, bodies: Iterable[Event]) -> None:
        """Do so with several."""
        for body in bodies:
            self(body)

    def results(self, results: Iterable[Result | Exception]) -> None:
        """Take what comes out of the pool."""
        settled: list[tuple[Item, Outcome]] = []
        for result in results:
            match result:
                case Exception():
                    self._stop.halt(result)
                case list():
                    self._pass(result)
                case outcome:
                    settled.append(outcome)
        if settled:
            self._settle(settled)

    def _pass(self, skips: Skips) -> None:
        """Tell of pictures that needed no worker; all together, since there may be millions."""
        self._tell_all(self._stamped(skips))

    def _settle(self, settled: list[tuple[Item, Outcome]]) -> None:
        """Commit outcomes, then tell of them. What cannot be committed is not told."""
        items = [item for item, _ in settled]
        try:
            events = self._stamped(self._with_attempts(item, body) for item, body in settled)
            entries = self._books.enter(zip(items, events, strict=True))
        except EnvironmentStop as error:
            self._stop.halt(error)
            return
        self._tell_all(events)
        self._settle_with_source(settled)
        try:
            self._books.follow_up(entries)
        except EnvironmentStop as error:
            self._stop.halt(error)

    def _with_attempts(self, item: Item, outcome: Outcome) -> Outcome:
        if isinstance(outcome, ImageFailed):
            return replace(outcome, attempts=self._books.ledger.attempts(item) + 1)
        return outcome

    def _stamped(self, bodies: Iterable[Outcome]) -> list[Event]:
        moment = self._now()
        if self._base_url is not None:
            bodies = [self._located(body, self._base_url) for body in bodies]
        return [self._stamp(body, moment, place) for place, body in enumerate(bodies, start=1)]

    def _located(self, body: Outcome, base_url: str) -> Outcome:
        if not isinstance(body, ImageFailed) and body.output is not None:
            locate(body, served_as(base_url, body.output))
        return body

    def _tell_all(self, events: list[Event]) -> None:
        self._live.summary = reduce(self.summary, *events)
        for event in events:
            self.tell(event, self.summary)

    def fold(self, body: Event) -> tuple[Event, Summary]:
        """Stamp a run's event, and give it with the summary that includes it: not told yet."""
        event = self._stamp(body, self._now())
        if self._span is not None:
            trace(event, *self._span)
        summary = reduce(self.summary, event)
        if isinstance(event, RunProgress | RunFinished):
            event = replace(event, state=summary.to_state())
        return event, summary

    def _stamp(self, body: Event, moment: datetime, place: int = 1) -> Event:
        return stamp(body, self._identity, self._seq + place, moment)

    def _now(self) -> datetime:
        """Tell the time: the wall clock may be set while a run lasts, so by the steady one."""
        return self._started + timedelta(seconds=time.monotonic() - self._clock)

    def tell(self, event: Event, summary: Summary) -> None:
        """Make what `fold` gave the truth. A reader that cannot go on stops the run."""
        self._live.summary = summary
        self._seq = event.seq
        for sink in self._sinks:
            try:
                sink(event)
            except Exception as error:  # noqa: BLE001 - raised again once the reports are written
                self._stop.halt(error)
