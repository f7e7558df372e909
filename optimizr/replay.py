"""From logs back to the summary that the run itself wrote.

`run.progress` and `run.finished` carry the whole state of the summary. So of each run the newest
state counts, and only events after it are folded: a log may leave out single pictures, be cut at
the front, be out of order, or be given twice, and the figures are still the run's own.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import reduce
from typing import Any, BinaryIO

from pydantic import ValidationError

from optimizr.errors import ConfigError
from optimizr.events import (
    Event,
    RunPlanned,
)
from optimizr.records import from_record
from optimizr.summary import Summary, merge
from optimizr.summary import reduce as add


class _Replayed:
    """One run, as far as the logs tell."""

    def __init__(self) -> None:
        self.state_seq = 0
        self.summary = Summary()
        self._seen: dict[int, int] = {}

    def take_state(self, seq: int, state: dict[str, Any]) -> None:
        """Start from this state, if it is newer than the one at hand and whole."""
        if seq > self.state_seq:
            with suppress(ValidationError):
                self.summary = Summary.from_state(state)
                self.state_seq = seq

    def fold(self, event: Event) -> None:
        """Add an event, unless the state has it in it or it came before."""
        if event.seq > self.state_seq and not self._is_repeated(event.seq - self.state_seq):
            self.summary = add(self.summary, event)

    def _is_repeated(self, place: int) -> bool:
        """Tell whether this event came before; a bit an event, so that long logs fit."""
        block, bit = divmod(place, 1024)
        bits = self._seen.get(block, 0)
        self._seen[block] = bits | 1 << bit
        return bool(bits >> bit & 1)


def replay(paths: Iterable[str]) -> Summary:
    """Read logs, of one run or of many, and give the summary of all. Raises as `runs_of` does."""
    return reduce(merge, runs_of(paths), Summary())


def runs_of(paths: Iterable[str]) -> list[Summary]:
    """Read logs and give the summary of each run; memory does not grow with them.

    Raises ConfigError if a file cannot be read, or if there is no event in any.
    """
    runs: dict[str, _Replayed] = {}
    files = [_open(path) for path in paths]
    try:
        for event in _events(files, needle=b'"state"'):
            state = getattr(event, "state", None)
            if state:
                runs.setdefault(event.run_id, _Replayed()).take_state(event.seq, state)
        for event in _events(files):
            if isinstance(event, RunPlanned):
                continue  # nothing has been done
            runs.setdefault(event.run_id, _Replayed()).fold(event)
    finally:
        for file in files:
            file.close()
    if not runs:
        raise ConfigError(
            "report: expected logs of optimizr, a JSON object a line, got none in these files"
        )
    return [run.summary for run in runs.values()]


def _open(path: str) -> BinaryIO:
    """Open a log so that it can be read twice; what comes from a pipe is kept in a file."""
    try:
        file = open(0, "rb", closefd=False) if path == "-" else open(path, "rb")  # noqa: SIM115 - closed by replay
        if file.seekable():
            return file
        with file:
            kept = tempfile.TemporaryFile()  # noqa: SIM115 - closed by replay
            shutil.copyfileobj(file, kept)
            return kept
    except OSError as error:
        raise ConfigError(
            f"report: expected a log that can be read, got {path!r} ({error.strerror})"
        ) from None


def _events(files: Iterable[BinaryIO], needle: bytes = b"{") -> Iterator[Event]:
    """Yield the events of the lines that have `needle` in them; other lines are passed over."""
    for file in files:
        file.seek(0)
        for line in file:
            if needle in line and (event := _event(line)) is not None:
                yield event


def _event(line: bytes) -> Event | None:
    try:
        # What stands before the brace is a collector's prefix, as `kubectl logs --prefix` adds.
        record = json.loads(line[line.index(b"{") :])
        return from_record(record) if isinstance(record, dict) else None
    except (ValueError, RecursionError):
        return None
