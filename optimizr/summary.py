"""The reducer: events folded into one summary of bounded size.

Each metric names its merge (sum, least, most, ...), each of which is associative and commutative
and has None or 0 for its neutral element. `reduce` measures what one event says of a few metrics
and merges just these. So the order of events does not matter, two shards merge as two events do,
and a summary can be written as `state` into an event and taken up again.

All sums are integers (bytes, pixels, microseconds): adding them in another order gives the same
figure, which floats do not.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from operator import add
from typing import Any

from pydantic import TypeAdapter

from optimizr.events import Event
from optimizr.measures import Measured, Run, epoch_us, measure
from optimizr.merges import (
    Entry,
    Example,
    Totals,
    add_counts,
    add_examples,
    add_totals,
    first,
    least,
    most,
    union,
)
from optimizr.timeslots import Snapshots, Timeline, largest, together

TOP = 20
"""Length of the lists of the most remarkable pictures."""


Merge = Callable[[Any, Any], Any]


def _sum(follow: Merge = add) -> Any:
    return _merged(add, 0, follow)


def _later(_before: Any, after: Any) -> Any:
    return after


def _told(_before: Any, after: Any) -> Any:
    """Mark what each attempt tells anew of all pictures that it meets; see `follow`."""
    return after


def _earliest(a: Run | None, b: Run | None) -> Run | None:
    return b if a is None else a if b is None else min(a, b, key=_place)


def _place(run: Run) -> tuple[Any, ...]:
    """Sort runs by all that tells them apart; settings cannot be compared."""
    return (*run[:4], run.shard, run.attempt_id)


def _merged(merge: Merge, default: Any = None, follow: Merge | None = None) -> Any:
    """Make a metric; `follow` merges it with that of a later attempt at the same, if otherwise."""
    metadata = {"merge": merge, "follow": follow or merge}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=dict, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)  # no slots: `reduce` copies by the dictionary, four times as fast
class Summary:
    """A run, or several merged: counts, sums, extremes, distributions. Times in microseconds."""

    run: Run | None = _merged(_earliest)
    start_us: int | None = _merged(least)
    end_us: int | None = _merged(most)
    runs: int = _sum(follow=_later)
    finished_runs: int = _sum(follow=_later)
    interrupted_runs: int = _sum(follow=_later)
    exit_code: int | None = _merged(most, follow=_later)
    abandoned_files: int = _sum(follow=_later)
    workers: int = _sum(follow=_later)
    cpu_slots: int = _sum(follow=_later)
    memory_bytes: int = _sum(follow=_later)
    memory_budget_bytes: int = _sum(follow=_later)

    converted_files: int = _sum()
    failed_files: int = _sum(follow=_told)
    skipped_files: int = _sum(follow=_told)
    ignored_files: int = _sum(follow=_told)
    input_bytes: int = _sum()
    output_bytes: int = _sum()
    resumed_files: int = _sum()
    """Converted by earlier attempts at this run, and not in `converted_files`; see `follow`."""
    resumed_input_bytes: int = _sum()
    resumed_output_bytes: int = _sum()
    up_to_date_files: int = _sum(follow=_told)
    up_to_date_input_bytes: int = _sum(follow=_told)
    up_to_date_output_bytes: int = _sum(follow=_told)
    pixels: int = _sum()
    larger_files: int = _sum()
    low_memory_files: int = _sum()
    duplicate_files: int = _sum()
    """Of the converted ones, those that have the WebP of another of equal bytes."""
    failures_by_reason: Mapping[str, int] = _merged(add_counts, {}, _told)
    skips_by_reason: Mapping[str, int] = _merged(add_counts, {}, _told)

    fetch_us: int = _sum()
    convert_us: int = _sum()
    store_us: int = _sum()
    duration_us: int = _sum()
    min_duration_us: int | None = _merged(least)
    max_duration_us: int | None = _merged(most)
    durations: Mapping[int, int] = _merged(add_counts, {})

    cpu_user_us: int = _sum()
    cpu_system_us: int = _sum()
    gc_runs: int = _sum()
    gc_pause_us: int = _sum()
    gc_pause_max_us: int | None = _merged(most)
    worker_us: int = _sum()
    peak_workers: int | None = _merged(most)
    source_wait_us: int = _sum()
    memory_wait_us: int = _sum()
    slot_wait_us: int = _sum()
    min_rss_bytes: int | None = _merged(least)
    max_rss_bytes: int | None = _merged(most)
    peak_rss_bytes: int | None = _merged(most)
    peak_system_bytes: int | None = _merged(most)
    snapshots: Snapshots = _merged(largest, Snapshots())

    by_format: Mapping[str, Totals] = _merged(add_totals, {})
    input_sizes: Mapping[int, int] = _merged(add_counts, {})
    """Of the pictures converted, by the power of two below which their bytes lie."""
    output_sizes: Mapping[int, int] = _merged(add_counts, {})
    savings: Mapping[int, int] = _merged(add_counts, {})
    """Pictures converted by what they save, in percent from -100 to 99."""
    largest_savings: tuple[Entry, ...] = _merged(first(TOP), ())
    did_not_pay: tuple[Entry, ...] = _merged(first(TOP), ())
    """WebPs that are not smaller, whether they were kept or not; the largest losses."""
    by_mode: Mapping[str, int] = _merged(add_counts, {})
    more_encodes: int = _sum()
    """Of pictures that were encoded again until they were as asked for: all but the first."""
    qualities: Mapping[int, int] = _merged(add_counts, {})
    """Lossy ones by their quality, in whole points: with a target, each has its own."""
    looks: Mapping[int, int] = _merged(add_counts, {})
    """Pictures by their look, where it was measured, in tenths of a point; see `tenths`."""
    worst_looks: tuple[Entry, ...] = _merged(first(TOP), ())
    psnrs: Mapping[int, int] = _merged(add_counts, {})
    """Pictures by their PSNR, in tenths of a decibel."""
    worst_psnrs: tuple[Entry, ...] = _merged(first(TOP), ())
    failure_examples: Mapping[str, tuple[Example, ...]] = _merged(add_examples, {}, _told)
    timeline: Timeline = _merged(together, Timeline())
    warnings: int = _sum()

    missing_shards: tuple[str, ...] = _merged(union, ())
    """Shards of which nothing is known; only who reads the logs of all can tell, no event does."""
    unfinished_shards: tuple[str, ...] = _merged(union, ())
    """Shards that did not come to their end: they still run, or must be started again."""

    @property
    def total_files(self) -> int:
        """Pictures that came to an end: converted, failed or skipped."""
        return self.done_files + self.failed_files + self.skipped_files

    @property
    def done_files(self) -> int:
        """Pictures converted by the run, in all attempts at it."""
        return self.converted_files + self.resumed_files

    @property
    def done_input_bytes(self) -> int:
        """Of these."""
        return self.input_bytes + self.resumed_input_bytes

    @property
    def done_output_bytes(self) -> int:
        """Of their WebPs."""
        return self.output_bytes + self.resumed_output_bytes

    @property
    def saved_bytes(self) -> int:
        """What these save; negative if the WebPs are larger."""
        return self.done_input_bytes - self.done_output_bytes

    @property
    def tree_input_bytes(self) -> int:
        """Of all pictures that have a WebP now: made by this run, or by one before."""
        return self.done_input_bytes + self.up_to_date_input_bytes

    @property
    def tree_output_bytes(self) -> int:
        """Of the WebPs of these."""
        return self.done_output_bytes + self.up_to_date_output_bytes

    @property
    def elapsed_seconds(self) -> float:
        """From the first event to the last."""
        if self.start_us is None or self.end_us is None:
            return 0.0
        return (self.end_us - self.start_us) / 1e6

    @property
    def cpu_seconds(self) -> float:
        """CPU time of the process, user and system."""
        return (self.cpu_user_us + self.cpu_system_us) / 1e6

    def to_state(self) -> dict[str, Any]:
        """Write the whole summary as plain JSON data, to be carried by an event."""
        state: dict[str, Any] = _adapter().dump_python(self, mode="json", exclude_defaults=True)
        return state

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Summary:
        """Read what `to_state` wrote. Raises pydantic.ValidationError for anything else."""
        return _adapter().validate_python(state)


_MERGES: dict[str, Merge] = {f.name: f.metadata["merge"] for f in dataclasses.fields(Summary)}
_FOLLOWS: dict[str, Merge] = {f.name: f.metadata["follow"] for f in dataclasses.fields(Summary)}
_RESUMED = (
    ("resumed_files", "converted_files"),
    ("resumed_input_bytes", "input_bytes"),
    ("resumed_output_bytes", "output_bytes"),
)


def merge(a: Summary, b: Summary) -> Summary:
    """Put two summaries together, each metric by its own merge."""
    return _merged_with(a, vars(b))


def follow(before: Summary, after: Summary) -> Summary:
    """Put two attempts at the same pictures together, the later one second, each picture once.

    What was worked is added. What became of the pictures, the later one tells of all: those that
    failed before it has tried again, those that were converted before it has met as `resumed`. What
    of these the logs of earlier attempts tell already stays `converted`, and the rest `resumed`:
    they may be lost, or cut off where the process was killed. Until the later one has met all, what
    it tells counts once that is more.
    """
    old, new = vars(before), vars(after)
    joined = {name: join(old[name], new[name]) for name, join in _FOLLOWS.items()}
    has_met_all = after.finished_runs and not after.interrupted_runs
    if not has_met_all and after.total_files < before.total_files:
        joined |= {name: old[name] for name, join in _FOLLOWS.items() if join is _told}
    for resumed, converted in _RESUMED:
        rest = new[resumed] - old[converted]
        joined[resumed] = rest if has_met_all else max(rest, old[resumed])
    return Summary(**joined)


def reduce(summary: Summary, *events: Event) -> Summary:
    """Fold events into the summary. Pure: the summary given is left as it was."""
    measured: Measured = {}
    for event in events:
        moment = epoch_us(event.timestamp)
        for name, of in (*measure(event).items(), ("start_us", moment), ("end_us", moment)):
            measured[name] = _MERGES[name](measured[name], of) if name in measured else of
    return _merged_with(summary, measured)


def _merged_with(summary: Summary, measured: Measured) -> Summary:
    before = vars(summary)
    merged = object.__new__(Summary)
    vars(merged).update(before)
    vars(merged).update((name, _MERGES[name](before[name], of)) for name, of in measured.items())
    return merged


@cache
def _adapter() -> TypeAdapter[Summary]:
    return TypeAdapter(Summary)
