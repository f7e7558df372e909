"""Events as runs make them, for property tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from optimizr.events import (
    Event,
    ImageConverted,
    ImageFailed,
    ImageSkipped,
    RunCrashed,
    RunFinished,
    RunProgress,
    RunSampled,
    RunStarted,
    RunWarned,
    milliseconds,
)
from optimizr.summary import Summary, reduce

START = datetime(2026, 1, 1, tzinfo=UTC)

_sizes = st.integers(0, 10**10)
_times = st.integers(0, 10**8).map(lambda us: milliseconds(us / 1e6))
_keys = st.text(max_size=8)


def _unless_none(least: float, most: float) -> st.SearchStrategy[float | None]:
    """Give what is told in hundredths, if at all."""
    return st.none() | st.integers(round(100 * least), round(100 * most)).map(lambda n: n / 100)


converted: st.SearchStrategy[Event] = st.builds(
    ImageConverted,
    key=_keys,
    output=_keys,
    format=st.sampled_from(["jpeg", "png"]),
    width=st.integers(1, 16383),
    height=st.integers(1, 16383),
    input_bytes=_sizes,
    mode=st.sampled_from(["lossy", "lossless", "near_lossless"]),
    quality=_unless_none(0, 100),
    psnr_db=_unless_none(0, 99),
    look=_unless_none(-250, 100),
    encodes=st.none() | st.integers(2, 12),
    animation_dropped=st.sampled_from([None, True]),
    low_memory=st.sampled_from([None, True]),
    duplicate_of=st.none() | _keys,
    output_bytes=_sizes,
    fetch_ms=_times,
    convert_ms=_times,
    store_ms=_times,
    duration_ms=_times,
)
failed: st.SearchStrategy[Event] = st.builds(
    ImageFailed,
    key=_keys,
    source=_keys,
    reason=st.sampled_from(["corrupt", "truncated", "changed"]),
    message=_keys,
    stage=st.sampled_from(["fetch", "convert"]),
    input_bytes=_sizes,
    duration_ms=_times,
    attempts=st.integers(1, 5),
    traceback=st.none(),
)
skipped: st.SearchStrategy[Event] = st.builds(
    ImageSkipped,
    key=_keys,
    reason=st.sampled_from(["up_to_date", "larger_copied"]),
    input_bytes=_sizes,
    output=st.none(),
    output_bytes=_sizes,
)
_byte_fields = ("rss_bytes", "peak_rss_bytes", "system_bytes")
_time_fields = (
    *("cpu_user_ms", "cpu_system_ms", "gc_pause_ms", "gc_pause_max_ms"),
    *("interval_ms", "worker_ms", "source_wait_ms", "memory_wait_ms", "slot_wait_ms"),
)
sampled: st.SearchStrategy[Event] = st.builds(
    RunSampled,
    **dict.fromkeys(_byte_fields, _sizes),
    **dict.fromkeys(_time_fields, _times),
    gc_runs=st.integers(0, 1000),
    ignored_files=st.integers(0, 1000),
    in_flight=st.integers(0, 64),
    workers=st.integers(0, 64),
)
progress: st.SearchStrategy[Event] = st.just(
    RunProgress(total_files=0, failed_files=0, input_bytes=0, output_bytes=0)
)
warned: st.SearchStrategy[Event] = st.builds(
    RunWarned,
    origin=_keys,
    message=_keys,
    repeated=st.integers(1, 10**6),
    traceback=st.none() | _keys,
)
crashed: st.SearchStrategy[Event] = st.builds(RunCrashed, message=_keys, traceback=_keys)
finished: st.SearchStrategy[Event] = st.builds(
    RunFinished,
    exit_code=st.sampled_from([0, 1, 3, 130]),
    interrupted=st.booleans(),
    cause=st.none(),
    message=st.none(),
    abandoned_files=st.integers(0, 8),
)
started: st.SearchStrategy[Event] = st.builds(
    RunStarted,
    version=st.just("1.2.3"),
    libvips_version=st.just("8.18.0"),
    python_version=st.just("3.11.0"),
    host=st.just("host"),
    pid=st.integers(1, 99999),
    settings=st.dictionaries(st.sampled_from("abc"), st.integers(0, 9)),
    workers=st.integers(1, 64),
    cpu_slots=st.integers(1, 64),
    memory_bytes=_sizes,
    memory_budget_bytes=_sizes,
)
SAMPLED_FIELDS = (*_byte_fields, *_time_fields, "gc_runs", "ignored_files", "in_flight", "workers")
bodies = st.lists(
    st.one_of(converted, failed, skipped, sampled, progress, warned, crashed), max_size=30
)


def stamp(events: list[Event], run_id: str, gaps: list[int]) -> list[Event]:
    """Stamp events as a run does: rising `seq`, rising time, and the state where one is carried."""
    summary, moment, stamped = Summary(), START, []
    for seq, event in enumerate(events, start=1):
        moment += timedelta(microseconds=gaps[seq % len(gaps)] if gaps else 1)
        event = replace(event, run_id=run_id, seq=seq, timestamp=moment)
        summary = reduce(summary, event)
        if isinstance(event, RunProgress | RunFinished):
            event = replace(event, state=summary.to_state())
        stamped.append(event)
    return stamped


@st.composite
def runs(draw: Any, run_id: str = "run") -> list[Event]:
    """Draw the whole log of one run."""
    events = [draw(started), *draw(bodies), draw(finished)]
    return stamp(events, run_id, draw(st.lists(st.integers(1, 10**9), max_size=4)))
