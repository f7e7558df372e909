"""The metrics, as a table: names and base units by Prometheus' conventions.

Each is drawn when somebody asks, so that events cost nothing. docs/observability.md has this table,
and the dashboard in config/grafana draws what it names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import psutil

from optimizr.machine import peak_rss
from optimizr.telemetry import draw
from optimizr.telemetry.draw import Histogram, Labels, Sight, Values


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric, and where it comes from."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    """What it counts, and in which unit."""
    draw: Callable[[Sight], Values | Histogram]
    labels: Labels = ()


METRICS: tuple[Metric, ...] = (
    Metric(
        "optimizr_build_info",
        "gauge",
        "Always 1: which optimizr, libvips, encoder and Python the run uses.",
        draw.build,
        ("version", "libvips_version", "encoder", "python_version"),
    ),
    Metric(
        "optimizr_run_info",
        "gauge",
        "Always 1: the id of the run, as in its events, and its shard, as 3-of-10.",
        draw.run,
        ("run_id", "shard"),
    ),
    Metric(
        "optimizr_run_start_time_seconds",
        "gauge",
        "When the run began, in seconds since 1970.",
        draw.since_start(lambda s: s.start_us and s.start_us / 1e6),
    ),
    Metric(
        "optimizr_run_end_time_seconds",
        "gauge",
        "When the run ended, in seconds since 1970; absent until then.",
        draw.at_end(lambda s: s.end_us and s.end_us / 1e6),
    ),
    Metric(
        "optimizr_run_exit_code",
        "gauge",
        "What the run ended with, 0 for all well; absent until then.",
        draw.at_end(lambda s: s.exit_code),
    ),
    Metric(
        "optimizr_images_total",
        "counter",
        "Pictures that came to an end: converted, resumed (by an earlier attempt at the same run), "
        "skipped or failed.",
        draw.images,
        ("outcome",),
    ),
    Metric(
        "optimizr_failures_total",
        "counter",
        "Pictures that failed, by the reason of image.failed.",
        lambda sight: draw.by(sight.summary.failures_by_reason),
        ("reason",),
    ),
    Metric(
        "optimizr_skips_total",
        "counter",
        "Pictures that were skipped, by the reason of image.skipped.",
        lambda sight: draw.by(sight.summary.skips_by_reason),
        ("reason",),
    ),
    Metric(
        "optimizr_warnings_total",
        "counter",
        "Warnings of libraries and of optimizr itself.",
        draw.one(lambda sight: sight.summary.warnings),
    ),
    Metric(
        "optimizr_ignored_files_total",
        "counter",
        "Files passed over that are no pictures by name, and links that are not followed.",
        draw.one(draw.ignored),
    ),
    Metric(
        "optimizr_source_images",
        "gauge",
        "Pictures that the source has in all; absent until they are counted.",
        draw.one(lambda sight: sight.source_images),
    ),
    Metric(
        "optimizr_input_bytes_total",
        "counter",
        "Bytes of the originals of the pictures converted.",
        draw.one(lambda sight: sight.summary.input_bytes),
    ),
    Metric(
        "optimizr_output_bytes_total",
        "counter",
        "Bytes of the WebPs of the pictures converted.",
        draw.one(lambda sight: sight.summary.output_bytes),
    ),
    Metric(
        "optimizr_pixels_total",
        "counter",
        "Pixels of the originals of the pictures converted.",
        draw.one(lambda sight: sight.summary.pixels),
    ),
    Metric(
        "optimizr_image_duration_seconds",
        "histogram",
        "Seconds from reading a picture to its WebP, waiting for limits not counted, of those "
        "converted; a bucket may hold some that took up to 2.1% longer than its le.",
        draw.durations,
    ),
    Metric(
        "optimizr_image_look",
        "histogram",
        "How like their originals the WebPs look, by SSIMULACRA2, where 100 is the original: with "
        "webp.target_look, rounded down to tenths, and 0 for all below.",
        draw.looks,
    ),
    Metric(
        "optimizr_stage_seconds_total",
        "counter",
        "Seconds of all workers together in a stage, of the pictures converted.",
        draw.stages,
        ("stage",),
    ),
    Metric(
        "optimizr_wait_seconds_total",
        "counter",
        "Seconds that all workers together have waited for the next picture of the source, for "
        "bytes of the memory budget, or for a CPU slot.",
        draw.waits,
        ("resource",),
    ),
    Metric(
        "optimizr_cpu_seconds_total",
        "counter",
        "Seconds of CPU time of the process since the run began.",
        draw.cpu,
        ("mode",),
    ),
    Metric(
        "optimizr_memory_rss_bytes",
        "gauge",
        "Resident memory of the process, in bytes.",
        draw.one(lambda _sight: psutil.Process().memory_info().rss),
    ),
    Metric(
        "optimizr_memory_peak_rss_bytes",
        "gauge",
        "The most that it has been since the process began, in bytes.",
        draw.one(lambda sight: max(peak_rss(), sight.summary.peak_rss_bytes or 0)),
    ),
    Metric(
        "optimizr_memory_ceiling_bytes",
        "gauge",
        "Ceiling of the memory of the whole process, in bytes: pool.memory.",
        draw.since_start(lambda s: s.memory_bytes),
    ),
    Metric(
        "optimizr_memory_budget_bytes",
        "gauge",
        "What pictures may take of it, in bytes: the ceiling less the RSS after start-up.",
        draw.since_start(lambda s: s.memory_budget_bytes),
    ),
    Metric(
        "optimizr_memory_reserved_bytes",
        "gauge",
        "What pictures have of the budget just now, in bytes.",
        draw.gauge(lambda g: g.reserved_bytes),
    ),
    Metric(
        "optimizr_inflight_images",
        "gauge",
        "Pictures being worked on just now.",
        draw.gauge(lambda g: g.waits.in_flight),
    ),
    Metric(
        "optimizr_workers",
        "gauge",
        "Pictures that may be worked on at once just now.",
        draw.gauge(lambda g: g.waits.workers),
    ),
    Metric(
        "optimizr_cpu_slots",
        "gauge",
        "Pictures that may be decoded and encoded at once.",
        draw.since_start(lambda s: s.cpu_slots),
    ),
    Metric(
        "optimizr_cpu_slots_in_use",
        "gauge",
        "Pictures being decoded and encoded just now.",
        draw.gauge(lambda g: g.slots_in_use),
    ),
)
