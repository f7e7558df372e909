"""Items in, events out: where the stages are joined."""

from __future__ import annotations

import os
import platform
import signal
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from optimizr import convert, endpoints, report
from optimizr._version import __version__
from optimizr.config import Settings
from optimizr.errors import EnvironmentStop, ExitCode, PictureError, Reason
from optimizr.events import (
    Event,
    ImageFailed,
    RunFinished,
    RunProgress,
    RunStarted,
    new_run_id,
)
from optimizr.job import Job, Outcome
from optimizr.ledger.failures import Failures
from optimizr.limits import Limits
from optimizr.monitor import Monitor, Waits
from optimizr.pool import Pool, Stop
from optimizr.source import Item
from optimizr.source.tree import Tree
from optimizr.store.local import LocalStore
from optimizr.summary import Summary, reduce

Sink = Callable[[Event], None]
"""Whoever wants to know what happens. Called in the thread of `run`, in order."""

SUMMARY_NAME = b"summary.json"
FAILURES_NAME = b"failed.jsonl"


def run(settings: Settings, *readers: Sink, stop: Stop | None = None) -> Summary:
    """Convert every picture of `settings.input` into `settings.output`.

    One picture's failure is an `image.failed` event, never an exception. Each of `readers` is
    called with each event as it happens; set `stop.signal` from another thread to end early. The
    result's `exit_code` is what the command line program would exit with.

    Raises ConfigError if a setting is wrong, EnvironmentStop if nothing could be started, and what
    a reader raised, once those in flight are done and the reports are written.
    """
    stop = stop or Stop()
    convert.start(settings.picture.formats)
    store, source = endpoints.open_input(settings)
    output = endpoints.open_output(settings)
    limits = Limits.of(settings.pool)
    output.prepare()
    job = Job(store, output, settings, limits)
    pool = Pool(job, limits.workers)
    interval = settings.monitor.interval.total_seconds()
    with (
        closing(output),
        closing(Failures(output.path(FAILURES_NAME))) as failures,
        Monitor(interval, lambda: _waits(pool, limits, source)) as monitor,
    ):
        record = Recorder([failures, *readers], stop)
        record(_started(settings, limits))
        record(monitor.sample())
        for outcome in pool.run(source, stop, settings.limits.drain.total_seconds()):
            if isinstance(outcome, Exception):
                stop.halt(outcome)
            elif outcome is not None:
                record(outcome)
            for failure in _given_up(job, pool, limits, stop):
                record(failure)
            if monitor.due():
                record(monitor.sample())
                record(_progress(record.summary))
        record(monitor.sample())
        _finish(record, output, _finished(settings, record.summary, stop, pool.in_flight))
    if stop.error is not None and not isinstance(stop.error, EnvironmentStop):
        raise stop.error  # a mistake, ours or the caller's: the reports are written first
    return record.summary


_SLOTS_LOST = EnvironmentStop(
    "slots_lost",
    "every CPU slot is held by a picture that cannot be stopped; look at those that failed as "
    "timeout, move them away, and run the same command again",
)


class Recorder:
    """Stamps events, folds them into the summary and tells them on. Main thread only."""

    def __init__(self, sinks: Iterable[Sink], stop: Stop) -> None:
        self.summary = Summary()
        self._stop = stop
        self._sinks = tuple(sinks)
        self._seq = 0
        self._started = datetime.now(UTC)
        self._clock = time.monotonic()
        self._run_id = new_run_id()

    def __call__(self, body: Event) -> None:
        """Stamp an event, fold it and tell it on."""
        self.tell(*self.fold(body))

    def fold(self, body: Event) -> tuple[Event, Summary]:
        """Stamp an event and give it with the summary that includes it; nothing is told yet."""
        # The wall clock may be set while a run lasts; durations come from the steady one.
        elapsed = timedelta(seconds=time.monotonic() - self._clock)
        event = replace(
            body, run_id=self._run_id, seq=self._seq + 1, timestamp=self._started + elapsed
        )
        summary = reduce(self.summary, event)
        if isinstance(event, RunProgress | RunFinished):
            event = replace(event, state=summary.to_state())
        return event, summary

    def tell(self, event: Event, summary: Summary) -> None:
        """Make what `fold` gave the truth. A reader that cannot go on stops the run."""
        self.summary = summary
        self._seq = event.seq
        for sink in self._sinks:
            try:
                sink(event)
            except Exception as error:  # noqa: BLE001 - raised again once the reports are written
                self._stop.halt(error)


def _given_up(job: Job, pool: Pool[Item, Outcome], limits: Limits, stop: Stop) -> list[ImageFailed]:
    """Let go of pictures that go on long after their timeout; stop once no slot is left."""
    failures = [failure for item, failure in job.overdue() if pool.give_up(item)]
    if pool.given_up >= limits.slots.total:
        stop.halt(_SLOTS_LOST)
    return failures


def _waits(pool: Pool[Item, Outcome], limits: Limits, source: Tree) -> Waits:
    return Waits(
        source_seconds=pool.waited.seconds,
        memory_seconds=limits.fetched.waited.seconds + limits.peak.waited.seconds,
        slot_seconds=limits.slots.waited.seconds,
        ignored_files=source.ignored,
        in_flight=pool.in_flight,
    )


def _started(settings: Settings, limits: Limits) -> RunStarted:
    return RunStarted(
        version=__version__,
        libvips_version=convert.version(),
        python_version=platform.python_version(),
        host=socket.gethostname(),
        pid=os.getpid(),
        settings=settings.redacted(),
        workers=limits.workers,
        cpu_slots=limits.slots.total,
        memory_bytes=limits.memory,
        memory_budget_bytes=limits.budget,
    )


def _progress(summary: Summary) -> RunProgress:
    return RunProgress(
        total_files=summary.total_files,
        failed_files=summary.failed_files,
        input_bytes=summary.input_bytes,
        output_bytes=summary.output_bytes,
    )


def _finished(settings: Settings, summary: Summary, stop: Stop, abandoned: int) -> RunFinished:
    exit_code, cause, message = ExitCode.DONE, None, None
    lost_reader = isinstance(stop.error, EnvironmentStop) and stop.error.cause == "log_lost"
    # Ctrl-C in a shell's pipeline ends the log's reader too: the signal is what happened.
    if stop.error is not None and not (lost_reader and stop.signal is not None):
        cause = stop.error.cause if isinstance(stop.error, EnvironmentStop) else "internal_error"
        exit_code, message = ExitCode.ENVIRONMENT, str(stop.error)
    elif stop.signal is not None:
        cause = signal.Signals(stop.signal).name
        exit_code = ExitCode(128 + stop.signal)
        message = f"interrupted by {cause}; run the same command again to finish"
    elif Reason.FOLDER_UNREADABLE in summary.failures_by_reason or not settings.policy.tolerates(
        summary.failed_files, summary.total_files
    ):
        exit_code = ExitCode.FAILURES
    return RunFinished(
        exit_code=exit_code,
        interrupted=stop.requested,
        cause=cause,
        message=message,
        abandoned_files=abandoned,
    )


def _finish(record: Recorder, output: LocalStore, finished: RunFinished) -> None:
    """Write the reports, then tell that the run has finished: what is told has happened."""
    event, summary = record.fold(finished)
    try:
        output.put(SUMMARY_NAME, report.to_json(summary).encode())
    except (EnvironmentStop, PictureError) as error:
        cause = error.cause if isinstance(error, EnvironmentStop) else "report_lost"
        event, summary = record.fold(
            replace(finished, exit_code=ExitCode.ENVIRONMENT, cause=cause, message=str(error))
        )
    record.tell(event, summary)
