"""What runs that ended badly have left: pictures they were at, outputs that nobody recorded.

Between the writing of an output and the commit that says so, a process may die: its note in the
in-flight file tells. A machine may die with commits that had not reached the disk: of its run only
the time is known, and files from that time are taken for ours.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from optimizr.ledger.database import transaction
from optimizr.ledger.in_flight import InFlight

_CRASHES = 2
"""Runs that a picture may be in flight at the end of; then it is tried alone."""


class _Left(NamedTuple):
    output: bytes
    runs: int
    """How many runs have ended while they were at it, since one was at it and did not."""


class Unfinished:
    """Of one ledger. The caller serialises what reaches the database, and translates its errors."""

    def __init__(self, db: sqlite3.Connection, in_flight: InFlight, look_only: bool) -> None:
        """With `look_only` nothing is written."""
        self._db = db
        self._in_flight = in_flight
        self._look_only = look_only
        self._left: dict[bytes, _Left] = {}
        self._claims: list[tuple[int, int]] = []

    def made(self, output: bytes, mtime_ns: int) -> bool:
        """Tell whether a file that the ledger does not know is ours all the same."""
        if any(start <= mtime_ns <= end for start, end in self._claims):
            return True
        return any(left.output == output for left in self._left.values())

    def has_crashed(self, key: bytes) -> bool:
        """Tell whether two runs have ended while they were at a picture."""
        return key in self._left and self._left[key].runs >= _CRASHES

    def has(self, key: bytes) -> bool:
        """Tell whether a picture was left unfinished."""
        return key in self._left

    def settle(self, key: bytes) -> None:
        """Forget a picture, which has an outcome."""
        if key in self._left:
            self._db.execute("delete from unfinished where key = ?", (key,))

    def forget_all(self) -> None:
        """Forget what died runs may have written: all has an outcome since, or is gone."""
        self._db.execute("delete from claims")
        self._db.execute("delete from unfinished where runs < ?", (_CRASHES,))

    def take_up(self, died: tuple[int, int] | None) -> None:
        """Move what the last run has left into the ledger; `died` is when its machine did."""
        self.read()
        found = dict(self._in_flight.left_behind())
        for key, output in found.items():
            runs = self._left[key].runs if key in self._left else 0
            self._left[key] = _Left(output, runs + 1)
        if died is not None:
            self._claims.append(died)
        if not self._look_only:
            if died is not None:
                self._db.execute("insert into claims values(?,?)", died)
            self._write(self._left)
            self._in_flight.clear()

    def keep(self) -> None:
        """Keep what an orderly end leaves undone: its outputs are ours, nothing has crashed."""
        if not self._look_only:
            noted = self._in_flight.noted()
            fresh = {key: _Left(output, 0) for key, output in noted if key not in self._left}
            self._write(fresh)
            self._in_flight.clear()

    def read(self) -> None:
        """Read what the ledger has."""
        self._claims = self._db.execute("select start_ns, end_ns from claims").fetchall()
        rows = self._db.execute("select key, output, runs from unfinished")
        self._left = {key: _Left(output, runs) for key, output, runs in rows}

    def _write(self, left: dict[bytes, _Left]) -> None:
        with transaction(self._db):
            self._db.executemany(
                "insert or replace into unfinished values(?,?,?)",
                [(key, output, runs) for key, (output, runs) in left.items()],
            )
