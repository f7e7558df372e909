"""The figures of `summary.json`, each by its name, its meaning and the formula it is drawn from.

A declaration rather than a function: docs/summary.md is generated from it. Names that the Go
program had are kept; `_mb` and `_gb` are 2^20 and 2^30 bytes, as they were there.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from optimizr.histogram import percentile
from optimizr.records import format_timestamp
from optimizr.report.advice import cpu_bound_analysis, memory_is_stable, recommendations
from optimizr.report.figure import Figure, by_count, ratio
from optimizr.report.likeness import LIKENESS
from optimizr.summary import Summary
from optimizr.timeslots import Snapshot
from optimizr.units import format_seconds

_MB = 1 << 20
_GB = 1 << 30


def figures(summary: Summary) -> dict[str, Any]:
    """Work out all figures; null where there was nothing to measure."""
    return {figure.name: figure.of(summary) for figure in FIGURES}


def _percent(part: float, whole: float) -> float:
    return ratio(100 * part, whole, 2)


def _mb(count: int | None) -> float | None:
    return None if count is None else round(count / _MB, 2)


def _ms(us: float | None) -> float | None:
    return None if us is None else round(us / 1000, 3)


def _time(us: int | None) -> str | None:
    return None if us is None else format_timestamp(datetime.fromtimestamp(us / 1e6, UTC))


def _percentile_ms(percent: float) -> Callable[[Summary], float | None]:
    def of(s: Summary) -> float | None:
        if s.min_duration_us is None or s.max_duration_us is None:
            return None
        value = percentile(s.durations, percent)
        return _ms(min(max(value, s.min_duration_us), s.max_duration_us))

    return of


def _rate(amount: Callable[[Summary], float], digits: int = 2) -> Callable[[Summary], float]:
    return lambda s: ratio(amount(s), s.elapsed_seconds, digits)


def _snapshot(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "time": _time(snapshot.time_us),
        "rss_mb": _mb(snapshot.rss_bytes),
        "system_mb": _mb(snapshot.system_bytes),
        "run_id": snapshot.run_id,
    }


def _snapshots(s: Summary) -> list[dict[str, Any]]:
    return [_snapshot(kept) for _, kept in sorted(s.snapshots.by_slot.items())]


FIGURES: tuple[Figure, ...] = (
    Figure(
        "run_id", "the run; of several merged ones the earliest", lambda s: s.run and s.run.run_id
    ),
    Figure("version", "of optimizr", lambda s: s.run and s.run.version),
    Figure("libvips_version", "of libvips", lambda s: s.run and s.run.libvips_version),
    Figure("encoder", "what encodes, and its version", lambda s: s.run and s.run.encoder),
    Figure("start_time", "RFC 3339, UTC", lambda s: _time(s.start_us)),
    Figure("end_time", "RFC 3339, UTC", lambda s: _time(s.end_us)),
    Figure("duration", "for people, as `3m25s`", lambda s: format_seconds(s.elapsed_seconds)),
    Figure("duration_seconds", "from first event to last", lambda s: round(s.elapsed_seconds, 3)),
    Figure("interrupted", "ended before all pictures were done", lambda s: s.interrupted_runs > 0),
    Figure("exit_code", "of the process; the largest of several", lambda s: s.exit_code),
    Figure("runs", "runs in this summary", lambda s: s.runs),
    Figure("finished_runs", "runs that told their end", lambda s: s.finished_runs),
    Figure(
        "missing_shards",
        "of which no log tells; only `optimizr report` can say",
        lambda s: list(s.missing_shards),
    ),
    Figure(
        "unfinished_shards",
        "that did not come to their end; only `optimizr report` can say",
        lambda s: list(s.unfinished_shards),
    ),
    Figure("total_files", "pictures that came to an end", lambda s: s.total_files),
    Figure("processed_files", "pictures converted, resumed ones too", lambda s: s.done_files),
    Figure(
        "resumed_files",
        "of these, by earlier attempts with this `run_id`; here only those that no log told of",
        lambda s: max(0, s.resumed_files),  # below 0 where some were converted again
    ),
    Figure("failed_files", "pictures that could not be", lambda s: s.failed_files),
    Figure("skipped_files", "pictures left on purpose", lambda s: s.skipped_files),
    Figure(
        "ignored_files",
        "files that are no pictures by name, links not followed",
        lambda s: s.ignored_files,
    ),
    Figure(
        "abandoned_files",
        "in flight when `limits.drain` ended; left undone",
        lambda s: s.abandoned_files,
    ),
    Figure(
        "larger_files",
        "converted, but the WebP is larger than its original",
        lambda s: s.larger_files,
    ),
    Figure(
        "duplicate_files",
        "converted, but not encoded: they have the WebP of another picture of equal bytes",
        lambda s: s.duplicate_files,
    ),
    Figure(
        "low_memory_files",
        "converted with libwebp's low_memory, since pool.memory has no room for more; takes longer",
        lambda s: s.low_memory_files,
    ),
    Figure(
        "error_rate_percent", "failed of total", lambda s: _percent(s.failed_files, s.total_files)
    ),
    Figure("failures_by_reason", "counts", lambda s: by_count(s.failures_by_reason)),
    Figure("skips_by_reason", "counts", lambda s: by_count(s.skips_by_reason)),
    Figure("total_input_bytes", "of the pictures converted", lambda s: s.done_input_bytes),
    Figure("total_output_bytes", "of their WebPs", lambda s: s.done_output_bytes),
    Figure("total_input_gb", "2^30 bytes", lambda s: round(s.done_input_bytes / _GB, 6)),
    Figure("total_output_gb", "2^30 bytes", lambda s: round(s.done_output_bytes / _GB, 6)),
    Figure("bytes_saved", "input less output", lambda s: s.saved_bytes),
    Figure("space_saved_gb", "2^30 bytes", lambda s: round(s.saved_bytes / _GB, 6)),
    Figure(
        "space_saving_percent",
        "saved of input",
        lambda s: _percent(s.saved_bytes, s.done_input_bytes),
    ),
    Figure(
        "compression_ratio",
        "input by output",
        lambda s: ratio(s.done_input_bytes, s.done_output_bytes),
    ),
    Figure(
        "tree_done_files",
        "of the whole tree: converted by this run, or up to date since one before",
        lambda s: s.done_files + s.up_to_date_files,
    ),
    Figure(
        "tree_input_bytes",
        "of the pictures of the whole tree that have a WebP now",
        lambda s: s.tree_input_bytes,
    ),
    Figure("tree_output_bytes", "of their WebPs", lambda s: s.tree_output_bytes),
    Figure(
        "tree_bytes_saved", "input less output", lambda s: s.tree_input_bytes - s.tree_output_bytes
    ),
    *LIKENESS,
    Figure(
        "avg_processing_time_ms",
        "a picture: fetch, convert, store; no waiting",
        lambda s: _ms(ratio(s.duration_us, s.converted_files)),
    ),
    Figure("min_processing_time_ms", "the quickest picture", lambda s: _ms(s.min_duration_us)),
    Figure("max_processing_time_ms", "the slowest picture", lambda s: _ms(s.max_duration_us)),
    Figure("p50_processing_time_ms", "within 1%", _percentile_ms(50)),
    Figure("p95_processing_time_ms", "within 1%", _percentile_ms(95)),
    Figure("p99_processing_time_ms", "within 1%", _percentile_ms(99)),
    Figure(
        "throughput_mb_per_sec", "input, 2^20 bytes a second", _rate(lambda s: s.input_bytes / _MB)
    ),
    Figure("images_per_second", "converted", _rate(lambda s: s.converted_files)),
    Figure("megapixels_per_second", "10^6 pixels a second", _rate(lambda s: s.pixels / 1e6)),
    Figure("fetch_seconds", "reading, summed over workers", lambda s: s.fetch_us / 1e6),
    Figure(
        "convert_seconds",
        "decoding and encoding, summed over workers",
        lambda s: s.convert_us / 1e6,
    ),
    Figure("store_seconds", "writing, summed over workers", lambda s: s.store_us / 1e6),
    Figure(
        "source_wait_seconds",
        "waiting for the next picture, summed over workers",
        lambda s: s.source_wait_us / 1e6,
    ),
    Figure(
        "memory_wait_seconds",
        "waiting for memory budget, summed over workers",
        lambda s: s.memory_wait_us / 1e6,
    ),
    Figure(
        "slot_wait_seconds",
        "waiting for a CPU slot, summed over workers",
        lambda s: s.slot_wait_us / 1e6,
    ),
    Figure("cpu_user_seconds", "of the process", lambda s: s.cpu_user_us / 1e6),
    Figure("cpu_system_seconds", "of the process", lambda s: s.cpu_system_us / 1e6),
    Figure(
        "cpu_utilization_percent",
        "CPU time of what the slots could have used",
        lambda s: _percent(s.cpu_seconds, s.elapsed_seconds * s.cpu_slots),
    ),
    Figure(
        "workers",
        "pictures in flight at once, at the start; of several runs the sum",
        lambda s: s.workers,
    ),
    Figure(
        "peak_workers",
        "the most that were in flight at once as the run adapted to its source",
        lambda s: s.peak_workers,
    ),
    Figure(
        "cpu_slots",
        "pictures decoded and encoded at once; of several runs the sum",
        lambda s: s.cpu_slots,
    ),
    Figure(
        "memory_ceiling_mb",
        "of the whole process: `pool.memory`; of several runs the sum",
        lambda s: _mb(s.memory_bytes),
    ),
    Figure(
        "memory_budget_mb",
        "the ceiling less the RSS after start-up; of several runs the sum",
        lambda s: _mb(s.memory_budget_bytes),
    ),
    Figure(
        "peak_memory_mb",
        "the kernel's high-water mark of RSS; of several runs the largest",
        lambda s: _mb(s.peak_rss_bytes),
    ),
    Figure(
        "peak_sys_memory_mb",
        "most that the cgroup was charged, else virtual memory",
        lambda s: _mb(s.peak_system_bytes),
    ),
    Figure(
        "memory_stable",
        "RSS does not grow in the last three quarters of the run; null below 20 snapshots of these",
        memory_is_stable,
    ),
    Figure("memory_min_mb", "least RSS sampled", lambda s: _mb(s.min_rss_bytes)),
    Figure("memory_max_mb", "most RSS sampled", lambda s: _mb(s.max_rss_bytes)),
    Figure(
        "memory_range_mb",
        "most less least",
        lambda s: _mb((s.max_rss_bytes or 0) - (s.min_rss_bytes or 0)),
    ),
    Figure("total_gc_runs", "collections of Python's garbage collector", lambda s: s.gc_runs),
    Figure("avg_gc_pause_ms", "a collection", lambda s: _ms(ratio(s.gc_pause_us, s.gc_runs))),
    Figure("max_gc_pause_ms", "the longest", lambda s: _ms(s.gc_pause_max_us)),
    Figure("gc_pause_total_ms", "all of them", lambda s: _ms(s.gc_pause_us)),
    Figure("cpu_bound_analysis", "what the run was bound by", cpu_bound_analysis),
    Figure("recommendations", "what to change, drawn from what was measured", recommendations),
    Figure("memory_snapshots", "RSS over time, at most 240", _snapshots),
    Figure("settings", "of the run, redacted", lambda s: s.run and s.run.settings),
)
