"""How metrics are drawn from a run: from the newest Summary, and the pool's gauges just now."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from optimizr import histogram
from optimizr.live import Gauges, Live
from optimizr.summary import Summary

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
"""Of the histogram of durations, in seconds."""
LOOKS = (10, 30, 50, 60, 70, 75, 80, 85, 90, 95, 100)
"""Of the histogram of looks, in points of SSIMULACRA2."""


class Sight(NamedTuple):
    """All that the metrics are drawn from, looked at once."""

    summary: Summary
    gauges: Gauges | None
    source_images: int | None
    shard: str


def look(live: Live, shard: str) -> Sight:
    """Look at a run."""
    return Sight(live.summary, live.gauges(), live.source_images, shard)


class Histogram(NamedTuple):
    """How many values lie below each bound, and what all come to."""

    buckets: list[tuple[str, float]]
    """Cumulative, by their `le`."""
    sum: float


Labels = tuple[str, ...]
Values = Mapping[Labels, float]
"""By the values of the labels; empty if there is nothing to tell."""


def one(read: Callable[[Sight], float | None]) -> Callable[[Sight], Values]:
    """Draw a metric without labels; None to leave it out."""

    def draw(sight: Sight) -> Values:
        value = read(sight)
        return {} if value is None else {(): value}

    return draw


def gauge(read: Callable[[Gauges], float]) -> Callable[[Sight], Values]:
    """Draw what only a pool that works can tell."""
    return one(lambda sight: None if sight.gauges is None else read(sight.gauges))


def since_start(read: Callable[[Summary], float | None]) -> Callable[[Sight], Values]:
    """Draw what is known once the run has started."""
    return one(lambda sight: None if sight.summary.run is None else read(sight.summary))


def at_end(read: Callable[[Summary], float | None]) -> Callable[[Sight], Values]:
    """Draw what is known once the run has finished."""
    return one(lambda sight: read(sight.summary) if sight.summary.finished_runs else None)


def by(counts: Mapping[str, float]) -> Values:
    """Draw a metric with one label."""
    return {(label,): value for label, value in counts.items()}


def build(sight: Sight) -> Values:
    """Name what the run is made of."""
    run = sight.summary.run
    if run is None:
        return {}
    return {(run.version, run.libvips_version, run.encoder, run.python_version): 1}


def run(sight: Sight) -> Values:
    """Name the run."""
    run = sight.summary.run
    return {} if run is None else {(run.run_id, sight.shard): 1}


def images(sight: Sight) -> Values:
    """Count pictures by what came of them."""
    summary = sight.summary
    return by(
        {
            "converted": summary.converted_files,
            "resumed": summary.resumed_files,
            "skipped": summary.skipped_files,
            "failed": summary.failed_files,
        }
    )


def durations(sight: Sight) -> Histogram:
    """Put the logarithmic buckets, which are 2% wide, together to those of BOUNDS."""
    summary = sight.summary
    places = [histogram.bucket(round(bound * 1e6)) for bound in BOUNDS]
    return Histogram(_buckets(BOUNDS, summary.durations, places), summary.duration_us / 1e6)


def looks(sight: Sight) -> Histogram:
    """Put the tenths of looks together to the buckets of LOOKS."""
    tenths = sight.summary.looks
    total = sum(tenth * count for tenth, count in tenths.items()) / 10
    return Histogram(_buckets(LOOKS, tenths, [round(10 * look) for look in LOOKS]), total)


def _buckets(
    bounds: Sequence[float], counts: Mapping[int, int], places: Sequence[int]
) -> list[tuple[str, float]]:
    """Name each bound, and count what is up to its place, and in all."""
    up_to = [(str(float(bound)), place) for bound, place in zip(bounds, places, strict=True)]
    return [
        *((name, sum(count for at, count in counts.items() if at <= most)) for name, most in up_to),
        ("+Inf", sum(counts.values())),
    ]


def stages(sight: Sight) -> Values:
    """Give the time of each stage."""
    summary = sight.summary
    return by(
        {
            "fetch": summary.fetch_us / 1e6,
            "convert": summary.convert_us / 1e6,
            "store": summary.store_us / 1e6,
        }
    )


def waits(sight: Sight) -> Values:
    """Give the time spent waiting: of this moment, else of the last sample."""
    summary, gauges = sight.summary, sight.gauges
    if gauges is not None:
        waits = gauges.waits
        source, memory, slot = waits.source_seconds, waits.memory_seconds, waits.slot_seconds
        return by({"source": source, "memory": memory, "slot": slot})
    return by(
        {
            "source": summary.source_wait_us / 1e6,
            "memory": summary.memory_wait_us / 1e6,
            "slot": summary.slot_wait_us / 1e6,
        }
    )


def cpu(sight: Sight) -> Values:
    """Give CPU time: of this moment, else of the last sample."""
    summary, gauges = sight.summary, sight.gauges
    if gauges is not None and not summary.finished_runs:
        return by({"user": gauges.cpu_user_seconds, "system": gauges.cpu_system_seconds})
    return by({"user": summary.cpu_user_us / 1e6, "system": summary.cpu_system_us / 1e6})


def ignored(sight: Sight) -> float:
    """Count files passed over: by this moment, else by the last sample."""
    gauges = sight.gauges
    return sight.summary.ignored_files if gauges is None else gauges.waits.ignored_files
