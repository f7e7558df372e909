"""For an output that has no ledger: what is done already, the outputs themselves tell.

Failures are kept for as long as the run lasts, so that failed.jsonl can be written at its end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from tempfile import SpooledTemporaryFile
from typing import Self

from optimizr.ledger.entries import Entry
from optimizr.ledger.ledger import Known
from optimizr.source import Item

_IN_MEMORY = 4 << 20
"""Bytes of failures that are kept in memory; more go to a temporary file."""


class NoNotes:
    """Nobody notes which pictures are being worked on."""

    def begin(self, key: bytes, output: bytes) -> None:
        """Note nothing."""

    def end(self, key: bytes) -> None:
        """Forget nothing."""


class NoLedger:
    """Knows nothing of earlier runs. Used as `Ledger` is."""

    def __init__(self) -> None:
        self.in_flight = NoNotes()
        self._failures = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed by `__exit__`

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._failures.close()

    def find(self, key: bytes) -> Known | None:
        """Know of no picture."""

    def begin(self, run_id: str) -> None:
        """Note nothing: labels tell which run made an output."""

    def is_of_this_run(self, known: Known) -> bool:
        """Know of no run."""
        return False

    def is_current(self, known: Known, version: str) -> bool:
        """Vouch for nothing."""
        return False

    def made(self, output: bytes, size: int, mtime_ns: int) -> bool:
        """Know of no output."""
        return False

    def must_be_alone(self, key: bytes) -> bool:
        """Know of no crash."""
        return False

    def settle(self, key: bytes) -> None:
        """Forget nothing."""

    def attempts(self, item: Item) -> int:
        """Count no earlier attempts."""
        return 0

    def record(self, entries: Sequence[Entry]) -> None:
        """Keep the lines of those that failed."""
        for entry in entries:
            if entry.failure is not None:
                self._failures.write(entry.failure.encode() + b"\n")

    def failures(self) -> Iterator[str]:
        """Yield the lines of failed.jsonl, as the pictures failed."""
        self._failures.seek(0)
        for line in self._failures:
            yield line.decode().rstrip("\n")
        self._failures.seek(0, 2)

    def forget_failures(self, are_gone: Callable[[bytes, str], bool]) -> None:
        """Forget none: all are of this run."""

    def forget_unfinished(self) -> None:
        """Forget nothing."""
