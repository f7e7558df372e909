"""What is done already: for each picture its newest outcome, for each output whose it is."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Self

from optimizr.config import Settings
from optimizr.errors import EnvironmentStop
from optimizr.events import ImageFailed, ImageSkipped
from optimizr.ledger.database import RUN_TABLE, open_database, stop_of, transaction, translated
from optimizr.ledger.entries import (
    MAKES,
    Entry,
    Outcome,
    made_by,
    outcome_of,
    output_bytes_of,
)
from optimizr.ledger.in_flight import InFlight
from optimizr.ledger.makings import Makings
from optimizr.ledger.unfinished import Unfinished
from optimizr.source import Item

LEDGER_NAME = b"ledger.sqlite"
IN_FLIGHT_NAME = b"in-flight"


class Known(NamedTuple):
    """What came of a picture."""

    version: str
    making: int
    output: bytes | None
    output_bytes: int
    outcome: str
    attempts: int
    """Runs that have failed at it; 0 if it went well."""
    at_us: int
    """When that was, in microseconds since 1970."""


class Ledger:
    """One run's hold of an output's ledger. Its methods may be called from any thread."""

    def __init__(
        self,
        folder: bytes,
        settings: Settings,
        encoder: str,
        force: bool = False,
        died: tuple[int, int] | None = None,
        look_only: bool = False,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """Open the ledger in `folder`, whose lock the caller holds.

        `encoder` is noted with each output. With `force` a ledger that cannot be used is begun
        anew. `died` is what the lock says of a run whose machine died. With `look_only` nothing is
        noted, and nothing may be recorded. `check` is called before anything is written; it raises
        EnvironmentStop where nothing may be any more. Raises EnvironmentStop.
        """
        self._path = os.path.join(folder, LEDGER_NAME)
        self._check = check
        self._lock = threading.Lock()
        self._db = open_database(self._path, anew=force and not look_only)
        with translated(self._path):
            self._makings = Makings(self._db, settings, encoder)
            self.in_flight = InFlight(os.path.join(folder, IN_FLIGHT_NAME))
            self._unfinished = Unfinished(self._db, self.in_flight, look_only)
            self._unfinished.take_up(died)
        self._since_us = self._opened_us = _now_us()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(EnvironmentStop, sqlite3.Error):  # the notes stay where they are
            self._check()
            self._unfinished.keep()
        self.in_flight.close()
        with translated(self._path):
            self._db.close()

    def find(self, key: bytes) -> Known | None:
        """Give what came of a picture last. Raises EnvironmentStop, as all below do."""
        row = self._one(
            "select version, making, output, output_bytes, outcome, attempts, at_us from items "
            "where key = ?",
            key,
        )
        return Known(*row) if row else None

    def begin(self, run_id: str) -> None:
        """Note which run writes here from now on, unless it is the one that did last."""
        with self._transaction() as db:
            db.execute(RUN_TABLE)
            row = db.execute("select since_us from run where run_id = ?", (run_id,)).fetchone()
            if row is None:
                db.execute("delete from run")
                db.execute("insert into run values(?,?)", (run_id, self._since_us))
            else:
                self._since_us = row[0]

    def is_of_this_run(self, known: Known) -> bool:
        """Tell whether that came of an earlier attempt at this very run."""
        return self._since_us <= known.at_us < self._opened_us

    def is_current(self, known: Known, version: str) -> bool:
        """Tell whether that came of this version, and these settings would give the same."""
        went_well = known.attempts == 0
        return went_well and known.version == version and self._makings.are_same(known.making)

    def made(self, output: bytes, size: int, mtime_ns: int) -> bool:
        """Tell whether the file that stands at an output's name is one that optimizr made.

        Also this run, a moment ago: a picture may come twice, and notes go after commits.
        """
        if self.in_flight.is_making(output):
            return True
        row = self._one("select size from outputs where output = ?", output)
        if row is not None and row[0] == size:
            return True
        return self._unfinished.made(output, mtime_ns)

    def must_be_alone(self, key: bytes) -> bool:
        """Tell whether converting a picture might take the process down."""
        return self._unfinished.has_crashed(key)

    def settle(self, key: bytes) -> None:
        """Forget that a picture was left unfinished: it is up to date."""
        if self._unfinished.has(key):
            with self._transaction():
                self._unfinished.settle(key)

    def attempts(self, item: Item) -> int:
        """Tell how many runs have failed at this version of a picture so far."""
        known = self.find(item.key)
        return known.attempts if known is not None and known.version == item.version else 0

    def record(self, entries: Sequence[Entry]) -> None:
        """Commit the outcomes of pictures, all or none. Raises EnvironmentStop."""
        rows = [self._row(entry) for entry in entries]
        with self._transaction() as db:
            for entry, row in zip(entries, rows, strict=True):
                self._enter(db, entry, row)

    def _row(self, entry: Entry) -> tuple[Any, ...]:
        item, event, failure = entry
        attempts = event.attempts if isinstance(event, ImageFailed) else 0
        was_there = isinstance(event, ImageSkipped) and event.reason == "up_to_date"
        now = self._since_us - 1 if was_there else _now_us()  # from before this run
        return (
            *(item.key, item.version, self._making_of(event), made_by(event), item.size),
            *(output_bytes_of(event), outcome_of(event), attempts, failure, now),
        )

    def _enter(self, db: sqlite3.Connection, entry: Entry, row: tuple[Any, ...]) -> None:
        item, event, _ = entry
        failed, makes = isinstance(event, ImageFailed), outcome_of(event) in MAKES
        if failed or makes:
            db.execute("insert or replace into items values(?,?,?,?,?,?,?,?,?,?)", row)
        if makes and not failed:
            _, _, _, made, _, size, *_, now = row
            self._enter_output(db, item, made, size, now)
        if not (item.alone and failed):
            self._unfinished.settle(item.key)

    @staticmethod
    def _enter_output(
        db: sqlite3.Connection, item: Item, made: bytes | None, size: int, now: int
    ) -> None:
        for gone in {item.output, item.superseded} - {made}:  # by `if_larger`; it is removed
            db.execute("delete from outputs where output = ?", (gone,))
        if made is not None:
            # A picture that had this output before has it no more.
            db.execute(
                "delete from items where key = "
                "(select key from outputs where output = ? and key != ?)",
                (made, item.key),
            )
            db.execute(
                "insert or replace into outputs values(?,?,?,?)", (made, item.key, size, now)
            )

    def failures(self) -> Iterator[str]:
        """Yield the lines of failed.jsonl, by key, of all pictures that failed when last tried."""
        yield from (line for _, line in self._failures())

    def _failures(self) -> Iterator[tuple[bytes, str]]:
        return self._rows(
            "select key, failure from items where failure is not null and key >= ? "
            "order by key limit 1000"
        )

    def has_absorbed(self, folder: bytes, stamp: str) -> bool:
        """Tell whether another ledger's rows have been taken over as they are by `stamp`."""
        row = self._one("select stamp from absorbed where folder = ?", os.path.basename(folder))
        return row is not None and row[0] == stamp

    def note_absorbed(self, folder: bytes, stamp: str) -> None:
        """Note that another ledger's rows have been taken over."""
        with self._transaction() as db:
            row = (os.path.basename(folder), stamp)
            db.execute("insert or replace into absorbed values(?,?)", row)

    @contextmanager
    def attached(self, path: bytes) -> Iterator[sqlite3.Connection]:
        """Give the database with another ledger attached to it as `other`, in a transaction."""
        with self._lock, translated(self._path):
            self._db.execute("attach ? as other", (os.fsdecode(path),))
        try:
            with self._transaction() as db:
                yield db
        finally:
            with self._lock, translated(self._path):
                self._db.execute("detach other")
        with translated(self._path):
            self._unfinished.read()
            self._makings.read()

    def outputs(self) -> Iterator[tuple[bytes, bytes, int]]:
        """Yield each output that is ours: its key, its picture's key, its size when it was made."""
        return self._rows(
            "select output, key, size from outputs where output >= ? order by output limit 1000"
        )

    def _rows(self, query: str) -> Iterator[Any]:
        """Yield the rows from the key `?` on, some at a time: others get a turn between."""
        start = b""
        while True:
            with self._lock, translated(self._path):
                rows = self._db.execute(query, (start,)).fetchall()
            if not rows:
                return
            yield from rows
            start = rows[-1][0] + b"\0"

    def forget_output(self, output: bytes, key: bytes) -> None:
        """Forget an output, and that its picture is done."""
        with self._transaction() as db:
            db.execute("delete from outputs where output = ?", (output,))
            db.execute("delete from items where key = ? and output = ?", (key, output))

    def forget_failures(self, are_gone: Callable[[bytes, str], bool]) -> None:
        """Forget the failures of which `are_gone`, given key and line, says so."""
        gone = [(key,) for key, line in self._failures() if are_gone(key, line)]
        with self._transaction() as db:
            db.executemany("delete from items where key = ?", gone)

    def forget_unfinished(self) -> None:
        """Forget what died runs may have written: all has an outcome since, or is gone."""
        with self._transaction():
            self._unfinished.forget_all()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._check()
        with self._lock, translated(self._path), transaction(self._db):
            yield self._db

    def _one(self, query: str, *values: Any) -> Any:
        try:
            with self._lock:
                return self._db.execute(query, values).fetchone()
        except sqlite3.Error as error:
            raise stop_of(self._path, error) from None

    def _making_of(self, event: Outcome) -> int:
        smaller = outcome_of(event) == "converted" and output_bytes_of(event) < event.input_bytes
        with self._lock, translated(self._path):
            return self._makings.number(smaller)


def _now_us() -> int:
    return time.time_ns() // 1000
