"""From logs back to the summary that the run itself wrote.

`run.progress` and `run.finished` carry the whole state of the summary. So of each run the newest
state counts, and only events after it are folded: a log may leave out single pictures, be cut at
the front, be out of order, or be given twice, and the figures are still the run's own. Shards of a
run merge; of several attempts at the same shard, as when a pod is started again, each picture
counts once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import reduce
from math import inf
from typing import Any, NamedTuple

from pydantic import ValidationError

from optimizr.errors import ConfigError
from optimizr.events import Event, RunPlanned
from optimizr.logs import Log, open_logs
from optimizr.merges import union
from optimizr.summary import Summary, follow, merge
from optimizr.summary import reduce as add

_SHARD = re.compile(r"(\d{1,5})-of-(\d{1,5})", re.ASCII)


class _Part(NamedTuple):
    """What attempts are made at: a run, or a shard of it."""

    run_id: str
    shard: str
    is_shared: bool
    """Whether all shards of the run have its `run_id`."""


class _Attempt:
    """What one process did, as far as the logs tell."""

    def __init__(self) -> None:
        self.state_seq: float = 0
        self.summary = Summary()
        self._seen: dict[int, int] = {}

    def take_state(self, seq: float, state: dict[str, Any]) -> None:
        """Start from this state, if it is newer than the one at hand and whole."""
        if seq > self.state_seq:
            with suppress(ValidationError):
                self.summary = Summary.from_state(state)
                self.state_seq = seq

    def fold(self, event: Event) -> None:
        """Add an event, unless the state has it in it or it came before."""
        if event.seq > self.state_seq and not self._is_repeated(event.seq):
            self.summary = add(self.summary, event)

    def _is_repeated(self, place: int) -> bool:
        """Tell whether this event came before; a bit an event, so that long logs fit."""
        block, bit = divmod(place, 1024)
        bits = self._seen.get(block, 0)
        self._seen[block] = bits | 1 << bit
        return bool(bits >> bit & 1)


class Replay(NamedTuple):
    """What logs tell."""

    runs: list[Summary]
    """Of each run, or shard of one."""
    whole: Summary
    """Of all of them, with the shards named that are missing or did not come to their end."""
    empty: list[str]
    """Files that tell of nothing."""


def replay(paths: Iterable[str]) -> Replay:
    """Read logs and summaries, of one run or of many; memory does not grow with them.

    Raises ConfigError if a file cannot be read, or if there is no event in any.
    """
    logs = open_logs(paths)
    try:
        attempts = _attempts(logs)
    finally:
        for log in logs:
            log.close()
    if not attempts:
        raise ConfigError(
            "report: expected logs of optimizr, a JSON object a line, or its summaries, got "
            "neither in these files"
        )
    parts = {
        part: reduce(follow, (made[name].summary for name in sorted(made, key=_when(made))))
        for part, made in attempts.items()
    }
    whole = reduce(merge, parts.values())
    missing = tuple(sorted(_missing(parts), key=_place))
    unfinished = tuple(sorted(_unfinished(parts), key=_place))
    return Replay(
        list(parts.values()),
        replace(
            whole,
            missing_shards=union(whole.missing_shards, missing),
            unfinished_shards=union(whole.unfinished_shards, unfinished),
        ),
        [log.name for log in logs if log.is_empty],
    )


_Attempts = dict[_Part, dict[str, _Attempt]]


def _when(made: dict[str, _Attempt]) -> Callable[[str], tuple[int, str]]:
    """Sort attempts by when they began; their names tell that by the second."""
    return lambda name: (made[name].summary.start_us or 0, name)


def _attempts(logs: list[Log]) -> _Attempts:
    found: _Attempts = {}
    for log in logs:
        for number, state in enumerate(log.states()):
            _take_summary(found, state, f"{log.name} {number}")
        for event in log.events(needle=b"state"):
            if carried := getattr(event, "state", None):
                _of(found, event).take_state(event.seq, carried)
    for log in logs:
        for event in log.events():
            if not isinstance(event, RunPlanned):  # nothing has been done
                _of(found, event).fold(event)
    return found


def _of(found: _Attempts, event: Event) -> _Attempt:
    part = _Part(event.run_id, _shard(event.shard or ""), event.attempt_id is not None)
    return found.setdefault(part, {}).setdefault(event.attempt_id or "", _Attempt())


def _take_summary(found: _Attempts, state: dict[str, Any], name: str) -> None:
    """Take the state of a summary.json: nothing comes after it. One of many runs is a part alone.

    No event has the name of that.
    """
    taken = _Attempt()
    taken.take_state(inf, state)
    run = taken.summary.run
    if not taken.state_seq:
        return
    part, attempt = _Part(f"\n{name}", "", False), ""
    if run is not None and taken.summary.runs == 1:
        # What a report of this shard alone missed may be here.
        taken.summary = replace(taken.summary, missing_shards=(), unfinished_shards=())
        part, attempt = _Part(run.run_id, _shard(run.shard), bool(run.attempt_id)), run.attempt_id
    found.setdefault(part, {})[attempt] = taken


def _shard(name: str) -> str:
    """Give the name of a shard, or nothing if there can be none of that name."""
    match = _SHARD.fullmatch(name)
    return name if match and int(match[1]) < int(match[2]) else ""


def _missing(parts: Iterable[_Part]) -> Iterator[str]:
    """Name the shards that others speak of: of the same run, if they share its `run_id`."""
    seen: dict[tuple[str, int], set[int]] = {}
    for part in parts:
        if part.shard:
            index, count = map(int, part.shard.split("-of-"))
            seen.setdefault((_run_of(part), count), set()).add(index)
    for (run, count), indices in seen.items():
        for index in set(range(count)) - indices:
            yield f"{run}{index}-of-{count}"


def _unfinished(parts: dict[_Part, Summary]) -> Iterator[str]:
    for part, summary in parts.items():
        if part.shard and (summary.interrupted_runs or not summary.finished_runs):
            yield f"{_run_of(part)}{part.shard}"


def _run_of(part: _Part) -> str:
    return f"{part.run_id}/" if part.is_shared else ""


def _place(name: str) -> tuple[str, int, int]:
    """Sort shards by number."""
    run, _, shard = name.rpartition("/")
    index, count = map(int, shard.split("-of-"))
    return run, count, index
