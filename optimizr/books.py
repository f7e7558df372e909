"""The books of a run: its lock, its ledger, failed.jsonl and its reports, kept in the output.

Opened together before anything is done, closed together at the end; each shard keeps its own.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

from optimizr import report
from optimizr.config import Settings
from optimizr.errors import ConfigError, Reason
from optimizr.events import Event, Identity, ImageConverted, ImageFailed, ImageSkipped
from optimizr.keys import from_text, to_text
from optimizr.ledger.entries import Entry
from optimizr.ledger.failures import Failures, LateFailures, to_line
from optimizr.ledger.ledger import Ledger
from optimizr.ledger.lock import LOCK_NAME, Lock
from optimizr.ledger.none import NoLedger
from optimizr.ledger.others import absorb
from optimizr.outputs import Shelf, shelf_of
from optimizr.pool import Stop
from optimizr.queue.address import is_queue
from optimizr.report.gallery import Pair
from optimizr.source import Item, Source
from optimizr.store import Store
from optimizr.store.local import LocalStore
from optimizr.store.open import Remote
from optimizr.summary import Summary

SUMMARY_NAME = b"summary.json"
REPORT_NAME = b"report.html"
FAILURES_NAME = b"failed.jsonl"


class Books:
    """Kept by the main thread; the ledger may be looked into by any."""

    def __init__(
        self,
        output: LocalStore | Remote,
        settings: Settings,
        check: Callable[[], None],
        ledger: Ledger | NoLedger,
        failures: Failures | LateFailures,
        tag: str,
    ) -> None:
        """`check` raises EnvironmentStop where nothing may be written any more; see `named`."""
        self.tag = tag
        self.ledger = ledger
        self._output = output
        self._settings = settings
        self._check = check
        self._failures = failures

    def enter(self, settled: Iterable[tuple[Item, Event]]) -> list[Entry]:
        """Commit the outcomes of pictures, all or none, and give them. Raises EnvironmentStop.

        A line of a list that cannot be used is no picture's; it is told, and stands in the list.
        """
        entries: list[Entry] = []
        for item, event in settled:
            if isinstance(event, ImageFailed) and event.reason != Reason.BAD_LINE:
                entries.append(Entry(item, event, to_line(event)))
            elif isinstance(event, ImageConverted | ImageSkipped):
                entries.append(Entry(item, event))
        self.ledger.record(entries)
        return entries

    def follow_up(self, entries: list[Entry]) -> None:
        """Do what follows on a commit: forget the notes, list the failures.

        Raises EnvironmentStop; what is not done then, the next run does.
        """
        for entry in entries:
            if entry.failure is not None:
                self._failures.append(entry.failure)
            self.ledger.in_flight.end(entry.item.key)

    def write_reports(self, summary: Summary, gallery: Sequence[Pair]) -> None:
        """Write summary.json, and report.html if wanted. Raises EnvironmentStop or PictureError."""
        self.write_summary(summary)
        if self._settings.report.html:
            from optimizr.report.html import to_html  # it is there: see `report.prepare_page`

            page = to_html(summary, gallery=gallery)
            self._output.put(named(REPORT_NAME, self.tag), _encoded(page))

    def write_summary(self, summary: Summary) -> None:
        """Write summary.json. Raises EnvironmentStop or PictureError."""
        self._check()  # else it is another run's to write
        name = named(SUMMARY_NAME, self.tag)
        self._output.put(name, _encoded(report.to_json(summary)))

    def settle(self, store: Store, source: Source, run_id: str, summary: Summary) -> None:
        """After a run that came to its end, forget what was wrong before and is not any more.

        Raises EnvironmentStop.
        """

        def is_over(key: bytes, line: str) -> bool:
            failure = json.loads(line)
            if failure["run_id"] == run_id or not source.covers(key):
                return False
            is_here = failure["source"] == store.full_path(key)
            return is_here or not _may_be_there(failure["source"])

        # An input that is not mounted is empty, or cannot be listed: it says nothing of pictures.
        if not summary.total_files or Reason.FOLDER_UNREADABLE in summary.failures_by_reason:
            return
        self.ledger.forget_failures(is_over)
        if source.is_whole:
            self.ledger.forget_unfinished()

    @property
    def are_failures_told(self) -> bool:
        """Whether failed.jsonl has each failure as soon as it is one."""
        return self._failures.is_appended

    def rewrite_failures(self) -> None:
        """Write failed.jsonl as the ledger knows it. Raises EnvironmentStop or PictureError."""
        self._check()
        self._failures.rewrite(self.ledger.failures)


@contextmanager
def open_books(
    output: LocalStore | Remote,
    settings: Settings,
    source: Source,
    encoder: str,
    stop: Stop,
    force: bool,
    identity: Identity,
) -> Iterator[Books]:
    """Lock the output, sweep what a killed run left, and open the books.

    An output in a bucket has a ledger, and with it a lock, only if one is asked for. Raises
    ConfigError if another run is at work, EnvironmentStop if they cannot be opened, and Cancelled
    if `stop` is requested while another machine's lock is waited for.
    """
    shelf, tag = shelf_of(settings, output), _tag(settings, output, identity)
    with ExitStack() as stack:
        failures = stack.enter_context(_failures(output, named(FAILURES_NAME, tag)))
        if shelf is None:
            ledger: Ledger | NoLedger = stack.enter_context(NoLedger())
            yield Books(output, settings, lambda: None, ledger, failures, tag)
            return
        lock = stack.enter_context(lock_of(shelf, stop))
        ledger = stack.enter_context(
            Ledger(shelf.own, settings, encoder, force, lock.died, check=lock.check)
        )
        output.sweep()
        ledger.begin(identity.run_id)
        absorb(
            *(ledger, shelf.top, settings.shard.count, settings, source.shard.has),
            *(lambda: stop.requested, force),
        )
        books = Books(output, settings, lock.check, ledger, failures, tag)
        # What the ledger does not know is left, and so is a list that is to be worked through.
        is_input = settings.input.startswith("@")
        if not is_input and next(ledger.failures(), None) is not None:
            books.rewrite_failures()
        yield books


@contextmanager
def _failures(output: LocalStore | Remote, name: bytes) -> Iterator[Failures | LateFailures]:
    put = partial(output.put_chunks, name)
    if isinstance(output, LocalStore):
        with Failures(output.path(name), put) as failures:
            yield failures
    else:
        yield LateFailures(put, lambda: _remove(output, name))


def _remove(output: Remote, name: bytes) -> None:
    """Remove a file that is there: not everybody may remove, and mostly there is nothing."""
    if output.find(name) is not None:
        output.remove(name)


def lock_of(shelf: Shelf, stop: Stop) -> Lock:
    """Make the lock of a run; losing it stops the run. Raises ConfigError."""
    try:
        os.makedirs(shelf.own, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"ledger: expected a directory that can be made, got {to_text(shelf.own)!r} "
            f"({error.strerror}); name another"
        ) from None
    path = os.path.join(shelf.own, LOCK_NAME)
    return Lock(path, stop.halt, is_stopped=lambda: stop.requested)


def _may_be_there(source: str) -> bool:
    """Tell whether a source that is not of this run may exist still; of a bucket nobody asks."""
    return "://" in source or os.path.lexists(from_text(source))


def _encoded(text: str) -> bytes:
    """Write UTF-8; a path in it may have bytes that are no text, which JSON can name so."""
    return text.encode(errors="backslashreplace")


def _tag(settings: Settings, output: LocalStore | Remote, identity: Identity) -> str:
    """Tell apart the files of runs that share an output: shards, and workers of a queue."""
    is_shared = is_queue(settings.input) and not isinstance(output, LocalStore)
    return identity.run_id if is_shared else settings.shard.name


def named(name: bytes, tag: str) -> bytes:
    """Name a file of this run's in the output, as summary-3-of-10.json."""
    stem, extension = os.path.splitext(name)
    return b"-".join((stem, os.fsencode(tag))) + extension if tag else name
