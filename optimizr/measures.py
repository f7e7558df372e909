"""What one event alone says of the metrics of a summary."""

from __future__ import annotations

from datetime import datetime
from functools import singledispatch
from typing import Any, NamedTuple

from optimizr import histogram
from optimizr.events import (
    Event,
    ImageConverted,
    ImageFailed,
    ImageSkipped,
    RunFinished,
    RunSampled,
    RunStarted,
    RunWarned,
    microseconds,
)
from optimizr.merges import Entry, Example, Totals
from optimizr.timeslots import Activity, Snapshot, Snapshots, Timeline

_MOST_TEXT = 300
"""Characters: with 80 pictures and three examples of each reason in it, the state stays below the
256 KB that Loki takes in a line."""

Measured = dict[str, Any]
"""Of some metrics of the summary, by their names."""


class Run(NamedTuple):
    """Which run this is, and with what; of several merged runs the earliest."""

    start_us: int
    """Microseconds since 1970, UTC."""
    run_id: str
    version: str
    libvips_version: str
    settings: dict[str, Any]
    encoder: str = ""
    host: str = ""
    python_version: str = ""
    shard: str = ""
    attempt_id: str = ""


def saved_percent(input_bytes: int, output_bytes: int) -> int:
    """Give what is saved of the input, in whole percent from -100 (twice as large, or more) up."""
    return max(-100, (input_bytes - output_bytes) * 100 // input_bytes) if input_bytes else 0


def _cut(text: str) -> str:
    """Keep a key or a message short enough for a list that each `run.progress` carries."""
    return text if len(text) <= _MOST_TEXT else f"{text[: _MOST_TEXT - 1]}\u2026"


def size_class(count: int) -> int:
    """Give the power of two below which a number of bytes lies."""
    return count.bit_length()


def tenths(hundredths: int) -> int:
    """Give the tenths of a look or a PSNR, rounded down: from 0, which all below is as bad as."""
    return max(0, min(hundredths // 10, 1000))


@singledispatch
def measure(event: Event) -> Measured:  # noqa: ARG001 - most events measure something
    """Give what one event alone says."""
    return {}


@measure.register
def _(event: RunStarted) -> Measured:
    return {
        "run": Run(
            epoch_us(event.timestamp),
            event.run_id,
            event.version,
            event.libvips_version,
            event.settings,
            event.encoder,
            event.host,
            event.python_version,
            event.shard or "",
            event.attempt_id or "",
        ),
        "runs": 1,
        "workers": event.workers,
        "cpu_slots": event.cpu_slots,
        "memory_bytes": event.memory_bytes,
        "memory_budget_bytes": event.memory_budget_bytes,
    }


@measure.register
def _(event: ImageConverted) -> Measured:
    duration = microseconds(event.duration_ms)
    before, after = event.input_bytes, event.output_bytes
    entry = Entry(-abs(before - after), _cut(event.key), event.format, before, after)
    second = epoch_us(event.timestamp) // 1_000_000
    return {
        "converted_files": 1,
        "input_bytes": event.input_bytes,
        "output_bytes": event.output_bytes,
        "pixels": event.width * event.height,
        "larger_files": int(event.output_bytes > event.input_bytes),
        "low_memory_files": int(event.low_memory or 0),
        "duplicate_files": int(event.duplicate_of is not None),
        "fetch_us": microseconds(event.fetch_ms),
        "convert_us": microseconds(event.convert_ms),
        "store_us": microseconds(event.store_ms),
        "duration_us": duration,
        "min_duration_us": duration,
        "max_duration_us": duration,
        "durations": {histogram.bucket(duration): 1},
        "by_format": {event.format: Totals(1, before, after)},
        "input_sizes": {size_class(before): 1},
        "output_sizes": {size_class(after): 1},
        "savings": {saved_percent(before, after): 1},
        "largest_savings" if after < before else "did_not_pay": (entry,),
        "timeline": Timeline(1, {second: Activity(1, before, after)}),
        "by_mode": {event.mode: 1},
        "more_encodes": (event.encodes or 1) - 1,
        "qualities": _quality(event),
        **_likeness("looks", "worst_looks", event.look, entry),
        **_likeness("psnrs", "worst_psnrs", event.psnr_db, entry),
    }


def _quality(event: ImageConverted) -> dict[int, int]:
    is_lossy = event.mode == "lossy" and event.quality is not None
    return {round(event.quality or 0): 1} if is_lossy else {}


def _likeness(counts: str, worst: str, value: float | None, entry: Entry) -> Measured:
    """Give how like its original a picture is by one measure, if by that."""
    if value is None:
        return {}
    rank = round(100 * value)
    return {counts: {tenths(rank): 1}, worst: (entry._replace(rank=rank),)}


@measure.register
def _(event: ImageSkipped) -> Measured:
    if event.reason == "resumed":
        return {
            "resumed_files": 1,
            "resumed_input_bytes": event.input_bytes,
            "resumed_output_bytes": event.output_bytes,
        }
    measured: Measured = {"skipped_files": 1, "skips_by_reason": {event.reason: 1}}
    if event.reason == "up_to_date":
        measured["up_to_date_files"] = 1
    if event.output_bytes:
        measured["up_to_date_input_bytes"] = event.input_bytes
        measured["up_to_date_output_bytes"] = event.output_bytes
    if event.webp_bytes is not None:
        before, after = event.input_bytes, event.webp_bytes
        measured["did_not_pay"] = (Entry(before - after, _cut(event.key), "", before, after),)
    return measured


@measure.register
def _(event: ImageFailed) -> Measured:
    return {
        "failed_files": 1,
        "failures_by_reason": {event.reason: 1},
        "failure_examples": {event.reason: (Example(_cut(event.key), _cut(event.message)),)},
    }


@measure.register
def _(event: RunSampled) -> Measured:
    moment = epoch_us(event.timestamp)
    snapshot = Snapshot(event.rss_bytes, moment, event.system_bytes, event.run_id)
    user, system = microseconds(event.cpu_user_ms), microseconds(event.cpu_system_ms)
    return {
        "ignored_files": event.ignored_files,
        "cpu_user_us": user,
        "cpu_system_us": system,
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
        "timeline": Timeline(
            1,
            {
                moment // 1_000_000: Activity(
                    cpu_us=user + system, sampled_us=microseconds(event.interval_ms)
                )
            },
        ),
    }


@measure.register
def _(event: RunFinished) -> Measured:
    return {
        "finished_runs": 1,
        "interrupted_runs": int(event.interrupted),
        "exit_code": event.exit_code,
        "abandoned_files": event.abandoned_files,
    }


@measure.register
def _(event: RunWarned) -> Measured:
    return {"warnings": event.repeated}


def epoch_us(moment: datetime) -> int:
    """Give a time as microseconds since 1970."""
    return round(moment.timestamp() * 1_000_000)
