"""What a run would do, without writing anything: for `--dry-run`."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, datetime

from optimizr import convert, endpoints
from optimizr.config import Settings
from optimizr.events import (
    ImageConverted,
    RunPlanned,
    new_run_id,
)
from optimizr.job import Job
from optimizr.keys import to_text
from optimizr.limits import Limits
from optimizr.pool import Pool, Stop
from optimizr.source import Item

SAMPLE = 20
"""Pictures that are converted for the estimate."""


class Nowhere:
    """Where the sample's WebPs are put."""

    def find(self, key: bytes) -> None:
        """Find nothing."""

    def put(self, key: bytes, data: bytes) -> None:
        """Forget the data."""

    def remove(self, key: bytes) -> None:
        """Remove nothing."""

    def full_path(self, key: bytes) -> str:
        """Name a place that no source is at."""
        return f"nowhere:{to_text(key)}"


def plan(settings: Settings, stop: Stop) -> RunPlanned:
    """Count the pictures, convert up to 20 of them into nothing, and estimate from these.

    The sample is drawn evenly from all pictures, and is the same each time. The estimate scales
    by bytes of input. Raises ConfigError and EnvironmentStop as `run` does.
    """
    convert.start(settings.picture.formats)
    store, source = endpoints.open_input(settings)
    endpoints.open_output(settings)
    limits = Limits.of(settings.pool)
    total, size, sample = _draw(source, stop)
    pool = Pool(Job(store, Nowhere(), settings, limits), limits.workers)
    outcomes = [outcome for outcome in pool.run(sample, stop, 0) if outcome is not None]
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
    done = [outcome for outcome in outcomes if isinstance(outcome, ImageConverted)]
    scale = size / max(1, sum(outcome.input_bytes for outcome in done))
    at_once = min(limits.workers, limits.slots.total)
    return RunPlanned(
        run_id=new_run_id(),
        seq=1,
        timestamp=datetime.now(UTC),
        total_files=total,
        ignored_files=source.ignored,
        input_bytes=size,
        sampled_files=len(outcomes),
        sampled_failures=len(outcomes) - len(done),
        estimated_output_bytes=round(scale * sum(outcome.output_bytes for outcome in done)),
        estimated_seconds=round(
            scale * sum(outcome.duration_ms for outcome in done) / 1000 / at_once, 1
        ),
        interrupted=stop.requested,
    )


def _draw(source: Iterable[Item], stop: Stop) -> tuple[int, int, list[Item]]:
    """Walk everything once; give the count, the bytes, and an even sample (Algorithm R)."""
    draw = random.Random(0)  # noqa: S311 - a sample, not a secret
    sample: list[Item] = []
    total = size = 0
    for item in source:
        if stop.requested:
            break
        size += item.size
        if total < SAMPLE:
            sample.append(item)
        elif (place := draw.randrange(total + 1)) < SAMPLE:
            sample[place] = item
        total += 1
    return total, size, sample
