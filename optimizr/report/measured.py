"""How the figures of `summary.json` are worked out of a summary: ratios, units, percentiles."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from optimizr.histogram import percentile
from optimizr.records import format_timestamp
from optimizr.summary import Summary
from optimizr.timeslots import Snapshot

_MB = 1 << 20


def ratio(part: float, whole: float, digits: int = 3) -> float:
    """Divide; 0 where there is nothing to divide by."""
    return round(part / whole, digits) if whole else 0.0


def percent(part: float, whole: float) -> float:
    """Give a part of the whole in percent."""
    return ratio(100 * part, whole, 2)


def mb(count: int | None) -> float | None:
    """Give bytes in units of 2^20."""
    return None if count is None else round(count / _MB, 2)


def ms(us: float | None) -> float | None:
    """Give microseconds in milliseconds."""
    return None if us is None else round(us / 1000, 3)


def time(us: int | None) -> str | None:
    """Give a moment, in microseconds since 1970, as RFC 3339."""
    return None if us is None else format_timestamp(datetime.fromtimestamp(us / 1e6, UTC))


def percentile_ms(percent: float) -> Callable[[Summary], float | None]:
    """Make what gives a percentile of how long a picture takes."""

    def of(s: Summary) -> float | None:
        if s.min_duration_us is None or s.max_duration_us is None:
            return None
        value = percentile(s.durations, percent)
        return ms(min(max(value, s.min_duration_us), s.max_duration_us))

    return of


def worst_look(s: Summary) -> float | None:
    """Give the worst look; None if none was measured."""
    return s.worst_looks[0].rank / 100 if s.worst_looks else None


def half(percent: float, name: str) -> Callable[[Summary], float | None]:
    """Make what gives a percentile of the looks or the PSNRs of a summary."""
    return lambda s: by_halves(
        getattr(s, name), percent, worst_look(s) if name == "looks" else None
    )


def by_halves(
    counts: Mapping[int, int], percent: float, least: float | None = None
) -> float | None:
    """Give a percentile of what is counted by halves: the lower end of the half it is in.

    But not less than the least of all, where that is known.
    """
    rank = max(1, math.ceil(sum(counts.values()) * percent / 100))
    for half in sorted(counts):
        rank -= counts[half]
        if rank <= 0:
            return half / 2 if least is None else max(half / 2, least)
    return None


def rate(amount: Callable[[Summary], float], digits: int = 2) -> Callable[[Summary], float]:
    """Make what gives an amount a second."""
    return lambda s: ratio(amount(s), s.elapsed_seconds, digits)


def snapshot(kept: Snapshot) -> dict[str, Any]:
    """Give a sample of the process for people."""
    return {
        "time": time(kept.time_us),
        "rss_mb": mb(kept.rss_bytes),
        "system_mb": mb(kept.system_bytes),
        "run_id": kept.run_id,
    }


def snapshots(s: Summary) -> list[dict[str, Any]]:
    """Give all that are kept, in order."""
    return [snapshot(kept) for _, kept in sorted(s.snapshots.by_slot.items())]


def by_count(counts: dict[str, int]) -> dict[str, int]:
    """Sort counts, the largest first."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
