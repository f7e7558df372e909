"""What the dashboard shows: its rows of panels, each with its queries."""

from __future__ import annotations

from docs.panels import Panel, Query, Row, bars, lines, logs, stat, table

_JOB = 'job=~"$job"'
_STREAM = 'app="optimizr", namespace=~"$namespace", job_name=~"$job_name"'
_RATE = "[$__rate_interval]"
_BACKLOG = (
    f"sum(clamp_min(optimizr_source_images{{{_JOB}}} - on (job, instance) "
    f"sum by (job, instance) (optimizr_images_total{{{_JOB}}}), 0))"
)


_SLOWEST = Panel(
    "Slowest pictures",
    "table",
    "Of those that took at least as long as the variable says, in the time range. Needs "
    "log.images all.",
    (
        Query(
            f'topk(20, max_over_time({{{_STREAM}, level="info"}} |= `"image.converted"` | json '
            "| event = `image.converted` | duration_ms >= $slow_ms | unwrap duration_ms "
            "[$__range]) by (run_id, key))",
            "{{key}}",
        ),
    ),
    width=12,
    height=9,
    source="loki",
    is_instant=True,
    options={"showHeader": True},
    field_config={"unit": "ms"},
    transformations=[
        {"id": "reduce", "options": {"reducers": ["lastNotNull"], "labelsToFields": True}},
        {"id": "organize", "options": {"excludeByName": {"Field": True}}},
        {"id": "sortBy", "options": {"sort": [{"field": "Last *", "desc": True}]}},
    ],
)


def _newest(metric: str, *matchers: str) -> str:
    """Add up the last value of each instance in the time range, of runs that have ended too."""
    inside = ", ".join([_JOB, *matchers])
    return f"sum(last_over_time({metric}{{{inside}}}[$__range]))"


def _rate(metric: str, label: str = "") -> str:
    grouped = f"sum by ({label})" if label else "sum"
    return f"{grouped} (rate({metric}{{{_JOB}}}{_RATE}))"


def _quantile(share: float, histogram: str) -> str:
    buckets = _rate(f"{histogram}_bucket", "le")
    return f"histogram_quantile({share}, {buckets})"


def _quantiles(histogram: str, *shares: float) -> list[tuple[str, str]]:
    return [(_quantile(share, histogram), f"p{share * 100:.0f}") for share in shares]


def _of(metric: str) -> str:
    return f"{metric}{{{_JOB}}}"


_ENDED = _of("optimizr_run_end_time_seconds")
_SAVED = f"{_newest('optimizr_input_bytes_total')} - {_newest('optimizr_output_bytes_total')}"

ROWS = (
    Row(
        "At a glance",
        (
            stat(
                "Pictures done",
                "short",
                _newest("optimizr_images_total", 'outcome=~"converted|skipped"'),
                "Converted or skipped, by the runs of the time range.",
            ),
            stat(
                "Failed",
                "short",
                _newest("optimizr_images_total", 'outcome="failed"'),
                "By the runs of the time range.",
                "red",
            ),
            stat(
                "Bytes saved",
                "bytes",
                _SAVED,
                "Originals less WebPs, of the pictures converted in the time range's runs.",
            ),
            stat("Backlog", "short", _BACKLOG, "Pictures left to the runs that work just now."),
            stat(
                "Time to go",
                "s",
                f"{_BACKLOG} / ({_rate('optimizr_images_total')} > 0)",
                "The backlog at the pace of the last minutes.",
            ),
            stat(
                "Runs at work",
                "short",
                f"count(optimizr_run_info{{{_JOB}}} unless on (job, instance) {_ENDED})",
                "Those that are scraped and have not ended.",
            ),
        ),
    ),
    Row(
        "Throughput",
        (
            lines(
                "Pictures a second",
                "ops",
                "All that came to an end, skipped ones included.",
                (_rate("optimizr_images_total"), "all"),
                (
                    f"sum by (instance) (rate(optimizr_images_total{{{_JOB}}}{_RATE}))",
                    "{{instance}}",
                ),
            ),
            lines(
                "Outcomes a second",
                "ops",
                "What became of them.",
                (_rate("optimizr_images_total", "outcome"), "{{outcome}}"),
                stacked=True,
            ),
            lines(
                "Bytes a second",
                "binBps",
                "Of the originals read, and of the WebPs written.",
                (_rate("optimizr_input_bytes_total"), "in"),
                (_rate("optimizr_output_bytes_total"), "out"),
            ),
            lines(
                "Backlog over time",
                "short",
                "Pictures that the source has, less those that came to an end.",
                (_BACKLOG, "backlog"),
            ),
            lines(
                "Bytes in and out",
                "bytes",
                "Of the pictures converted so far, by the runs at work.",
                (f"sum({_of('optimizr_input_bytes_total')})", "in"),
                (f"sum({_of('optimizr_output_bytes_total')})", "out"),
            ),
            lines(
                "How long a picture takes",
                "s",
                "From reading it to its WebP, waiting for limits not counted.",
                *_quantiles("optimizr_image_duration_seconds", 0.5, 0.95, 0.99),
            ),
        ),
    ),
    Row(
        "Looks",
        (
            lines(
                "How like their originals the WebPs look",
                "short",
                "By SSIMULACRA2: 90 as if nothing was lost, 70 good, 50 fair, 30 poor. Needs "
                "webp.target_look. All but 5% look at least as well as p5.",
                *_quantiles("optimizr_image_look", 0.05, 0.5),
                width=24,
            ),
        ),
    ),
    Row(
        "Failures, warnings and slow pictures",
        (
            bars(
                "Failures by reason",
                f"sum by (reason) (last_over_time(optimizr_failures_total{{{_JOB}}}[$__range]))",
                "{{reason}}",
                "By the runs of the time range; docs/events.md explains the reasons.",
            ),
            bars(
                "Skipped by reason",
                f"sum by (reason) (last_over_time(optimizr_skips_total{{{_JOB}}}[$__range]))",
                "{{reason}}",
                "By the runs of the time range.",
            ),
            lines(
                "Warnings",
                "short",
                "Of libraries and of optimizr itself, so far.",
                (f"sum by (instance) (optimizr_warnings_total{{{_JOB}}})", "{{instance}}"),
            ),
            logs(
                "Latest failures",
                f'{{{_STREAM}, level="error"}} |= `"image.failed"` | json | event = `image.failed` '
                "| line_format `{{.reason}} {{.source}}: {{.message}}`",
                "Each with what to do.",
            ),
            _SLOWEST,
            logs(
                "Latest warnings",
                f'{{{_STREAM}, level="warning"}} | json | event = `run.warned` '
                "| line_format `{{.origin}} ({{.repeated}}): {{.message}}`",
                "What libraries and optimizr itself had to say.",
            ),
            logs(
                "How runs ended",
                f'{{{_STREAM}, level="info"}} |= `"run.finished"` | json event="event", '
                'run_id="run_id", exit_code="exit_code", cause="cause", message="message" '
                "| event = `run.finished` "
                "| line_format `{{.run_id}} exit {{.exit_code}} {{.cause}} {{.message}}`",
                "A run without a line here was killed, or still works.",
            ),
        ),
    ),
    Row(
        "Memory, by instance",
        (
            lines(
                "Resident memory",
                "bytes",
                "Against the ceiling of the whole process, and what pictures may take of it.",
                (_of("optimizr_memory_rss_bytes"), "{{instance}} RSS"),
                (_of("optimizr_memory_budget_bytes"), "{{instance}} budget"),
                (_of("optimizr_memory_ceiling_bytes"), "{{instance}} ceiling"),
                width=12,
            ),
            lines(
                "Reserved by pictures",
                "percentunit",
                "Share of the budget that pictures have just now.",
                (
                    f"{_of('optimizr_memory_reserved_bytes')} / "
                    + _of("optimizr_memory_budget_bytes"),
                    "{{instance}}",
                ),
                width=12,
            ),
        ),
    ),
    Row(
        "CPU, and what workers wait for",
        (
            lines(
                "CPU slots",
                "short",
                "Pictures being decoded and encoded, and how many may be at once.",
                (f"sum({_of('optimizr_cpu_slots_in_use')})", "in use"),
                (f"sum({_of('optimizr_cpu_slots')})", "slots"),
            ),
            lines(
                "CPU seconds a second",
                "short",
                "1 is one CPU, busy.",
                (_rate("optimizr_cpu_seconds_total", "mode"), "{{mode}}"),
                stacked=True,
            ),
            lines(
                "Workers",
                "short",
                "Pictures being worked on, and how many may be at once.",
                (f"sum({_of('optimizr_inflight_images')})", "in work"),
                (f"sum({_of('optimizr_workers')})", "workers"),
            ),
            lines(
                "Waiting, by resource",
                "short",
                "Workers that wait for the source, for memory or for a CPU slot, on average.",
                (_rate("optimizr_wait_seconds_total", "resource"), "{{resource}}"),
                width=12,
                stacked=True,
            ),
            lines(
                "Stages",
                "short",
                "Workers that fetch, convert or store, on average.",
                (_rate("optimizr_stage_seconds_total", "stage"), "{{stage}}"),
                width=12,
                stacked=True,
            ),
        ),
    ),
    Row(
        "Versions",
        (
            table(
                "Versions",
                "count by (version, libvips_version, encoder, python_version) "
                f"(last_over_time(optimizr_build_info{{{_JOB}}}[$__range]))",
                "What the runs of the time range were made of.",
            ),
            table(
                "Runs",
                "max by (instance, run_id, shard) "
                f"(last_over_time(optimizr_run_info{{{_JOB}}}[$__range]))",
                "The id of each is in its events.",
            ),
        ),
    ),
)
