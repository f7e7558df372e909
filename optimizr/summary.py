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
from datetime import datetime
from functools import cache, singledispatch
from operator import add
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from optimizr import histogram
from optimizr.events import (
    Event,
    ImageConverted,
    ImageFailed,
    ImageSkipped,
    RunFinished,
    RunSampled,
    RunStarted,
    microseconds,
)
from optimizr.merges import add_counts, least, most
from optimizr.snapshots import Snapshot, Snapshots, thin


class Run(NamedTuple):
    """Which run this is, and with what; of several merged runs the earliest."""

    start_us: int
    """Microseconds since 1970, UTC."""
    run_id: str
    version: str
    libvips_version: str
    settings: dict[str, Any]
    encoder: str = ""


def _sum() -> Any:
    return dataclasses.field(default=0, metadata={"merge": add})


def _earliest(a: Run | None, b: Run | None) -> Run | None:
    return b if a is None else a if b is None else min(a, b, key=lambda run: run[:4])


def _merged(merge: Callable[[Any, Any], Any], default: Any = None) -> Any:
    if isinstance(default, dict):
        return dataclasses.field(default_factory=dict, metadata={"merge": merge})
    return dataclasses.field(default=default, metadata={"merge": merge})


@dataclass(frozen=True)  # no slots: `reduce` copies by the dictionary, four times as fast
class Summary:
    """A run, or several merged: counts, sums, extremes, distributions. Times in microseconds."""

    run: Run | None = _merged(_earliest)
    start_us: int | None = _merged(least)
    end_us: int | None = _merged(most)
    runs: int = _sum()
    finished_runs: int = _sum()
    interrupted_runs: int = _sum()
    exit_code: int | None = _merged(most)
    abandoned_files: int = _sum()
    workers: int = _sum()
    cpu_slots: int = _sum()
    memory_bytes: int = _sum()
    memory_budget_bytes: int = _sum()

    converted_files: int = _sum()
    failed_files: int = _sum()
    skipped_files: int = _sum()
    ignored_files: int = _sum()
    input_bytes: int = _sum()
    output_bytes: int = _sum()
    up_to_date_files: int = _sum()
    up_to_date_input_bytes: int = _sum()
    up_to_date_output_bytes: int = _sum()
    pixels: int = _sum()
    larger_files: int = _sum()
    low_memory_files: int = _sum()
    failures_by_reason: Mapping[str, int] = _merged(add_counts, {})
    skips_by_reason: Mapping[str, int] = _merged(add_counts, {})

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
    snapshots: Snapshots = _merged(thin, Snapshots())

    @property
    def total_files(self) -> int:
        """Pictures that came to an end: converted, failed or skipped."""
        return self.converted_files + self.failed_files + self.skipped_files

    @property
    def tree_input_bytes(self) -> int:
        """Of all pictures that have a WebP now: made by this run, or by one before."""
        return self.input_bytes + self.up_to_date_input_bytes

    @property
    def tree_output_bytes(self) -> int:
        """Of the WebPs of these."""
        return self.output_bytes + self.up_to_date_output_bytes

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


_MERGES: dict[str, Callable[[Any, Any], Any]] = {
    f.name: f.metadata["merge"] for f in dataclasses.fields(Summary)
}

Measured = dict[str, Any]
"""What one event says: of some metrics of the summary, by their names."""


def merge(a: Summary, b: Summary) -> Summary:
    """Put two summaries together, each metric by its own merge."""
    return _merged_with(a, vars(b))


def reduce(summary: Summary, *events: Event) -> Summary:
    """Fold events into the summary. Pure: the summary given is left as it was."""
    measured: Measured = {}
    for event in events:
        moment = _epoch_us(event.timestamp)
        for name, of in (*_measure(event).items(), ("start_us", moment), ("end_us", moment)):
            measured[name] = _MERGES[name](measured[name], of) if name in measured else of
    return _merged_with(summary, measured)


def _merged_with(summary: Summary, measured: Measured) -> Summary:
    before = vars(summary)
    merged = object.__new__(Summary)
    vars(merged).update(before)
    vars(merged).update((name, _MERGES[name](before[name], of)) for name, of in measured.items())
    return merged


@singledispatch
def _measure(event: Event) -> Measured:  # noqa: ARG001 - most events measure something
    """Give what one event alone says."""
    return {}


@_measure.register
def _(event: RunStarted) -> Measured:
    return {
        "run": Run(
            _epoch_us(event.timestamp),
            event.run_id,
            event.version,
            event.libvips_version,
            event.settings,
            event.encoder,
        ),
        "runs": 1,
        "workers": event.workers,
        "cpu_slots": event.cpu_slots,
        "memory_bytes": event.memory_bytes,
        "memory_budget_bytes": event.memory_budget_bytes,
    }


@_measure.register
def _(event: ImageConverted) -> Measured:
    duration = microseconds(event.duration_ms)
    return {
        "converted_files": 1,
        "input_bytes": event.input_bytes,
        "output_bytes": event.output_bytes,
        "pixels": event.width * event.height,
        "larger_files": int(event.output_bytes > event.input_bytes),
        "low_memory_files": int(event.low_memory or 0),
        "fetch_us": microseconds(event.fetch_ms),
        "convert_us": microseconds(event.convert_ms),
        "store_us": microseconds(event.store_ms),
        "duration_us": duration,
        "min_duration_us": duration,
        "max_duration_us": duration,
        "durations": {histogram.bucket(duration): 1},
    }


@_measure.register
def _(event: ImageSkipped) -> Measured:
    measured: Measured = {"skipped_files": 1, "skips_by_reason": {event.reason: 1}}
    if event.reason == "up_to_date":
        measured["up_to_date_files"] = 1
    if event.output_bytes:
        measured["up_to_date_input_bytes"] = event.input_bytes
        measured["up_to_date_output_bytes"] = event.output_bytes
    return measured


@_measure.register
def _(event: ImageFailed) -> Measured:
    return {"failed_files": 1, "failures_by_reason": {event.reason: 1}}


@_measure.register
def _(event: RunSampled) -> Measured:
    moment = _epoch_us(event.timestamp)
    snapshot = Snapshot(event.rss_bytes, moment, event.system_bytes, event.run_id)
    return {
        "ignored_files": event.ignored_files,
        "cpu_user_us": microseconds(event.cpu_user_ms),
        "cpu_system_us": microseconds(event.cpu_system_ms),
        "gc_runs": event.gc_runs,
        "gc_pause_us": microseconds(event.gc_pause_ms),
        "gc_pause_max_us": microseconds(event.gc_pause_max_ms),
        "worker_us": microseconds(event.worker_ms),
        "peak_workers": event.workers,
        "source_wait_us": microseconds(event.source_wait_ms),
        "memory_wait_us": microseconds(event.memory_wait_ms),
        "slot_wait_us": microseconds(event.slot_wait_ms),
        "min_rss_bytes": event.rss_bytes,
        "max_rss_bytes": event.rss_bytes,
        "peak_rss_bytes": event.peak_rss_bytes,
        "peak_system_bytes": event.system_bytes,
        "snapshots": Snapshots(1, {moment // 1_000_000: snapshot}),
    }


@_measure.register
def _(event: RunFinished) -> Measured:
    return {
        "finished_runs": 1,
        "interrupted_runs": int(event.interrupted),
        "exit_code": event.exit_code,
        "abandoned_files": event.abandoned_files,
    }


def _epoch_us(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)


@cache
def _adapter() -> TypeAdapter[Summary]:
    return TypeAdapter(Summary)
