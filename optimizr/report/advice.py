"""What a run was bound by, and what to change: drawn from what was measured, nothing else."""

from __future__ import annotations

from statistics import linear_regression, mean

from optimizr.summary import Summary

_BUSY = 0.85
"""Share of the CPU slots' time from which on a run counts as bound by CPU."""
_MUCH = 0.20
"""Share of the workers' time that is worth a word."""
_LEAST_SECONDS = 2.0
"""Below this start-up blurs every share."""
_LEAST_SNAPSHOTS = 20
"""Ten minutes at the default interval; with fewer, one large picture looks like growth."""
_WARMING_UP = 0.25
"""Share of the run's time whose snapshots do not count: memory grows while a run warms up, and the
first minute has more samples than its share."""
_GROWTH_SHARE = 0.25
_GROWTH_BYTES = 64 << 20
"""Growth of RSS over a run that is called stable: 25% of the mean, or 64 MiB if that is more."""


def memory_is_stable(s: Summary) -> bool | None:
    """Tell whether RSS, by least squares over time, does not grow; None for too few snapshots."""
    points = sorted((kept.time_us / 1e6, kept.rss_bytes) for kept in s.snapshots.by_slot.values())
    if not points:
        return None
    warm = points[0][0] + _WARMING_UP * (points[-1][0] - points[0][0])
    points = [point for point in points if point[0] > warm]
    if len(points) < _LEAST_SNAPSHOTS or points[0][0] == points[-1][0]:
        return None
    times, rss = zip(*points, strict=True)
    growth = linear_regression(times, rss).slope * (times[-1] - times[0])
    return bool(growth <= max(_GROWTH_SHARE * mean(rss), _GROWTH_BYTES))


def cpu_bound_analysis(s: Summary) -> str:
    """Say in one sentence what the run was bound by."""
    if s.up_to_date_files and s.up_to_date_files == s.total_files:
        return "Nothing was to be done: all pictures are up to date."
    if not s.converted_files:
        return "Nothing was converted, so there is nothing to tell."
    if s.elapsed_seconds < _LEAST_SECONDS:
        return "Too short to tell: start-up outweighs the work."
    busy = f"the CPU slots were {_cpu_share(s):.0%} busy"
    if _cpu_share(s) >= _BUSY:
        return f"CPU bound: {busy}; more CPUs would make it faster, more workers would not."
    shares = {
        "Bound by the source": (_share(s, s.source_wait_us), "waiting for the next picture"),
        "Bound by reading and writing": (_share(s, s.fetch_us + s.store_us), "on it"),
        "Bound by memory": (_share(s, s.memory_wait_us), "waiting for memory budget"),
    }
    verdict, (share, doing) = max(shares.items(), key=lambda item: item[1][0])
    if share >= _MUCH:
        return f"{verdict}: workers spent {share:.0%} of their time {doing}; {busy}."
    if _is_starved(s):
        return (
            f"Starved of CPU: the slots were taken, but got only {_cpu_share(s):.0%} of CPU time."
        )
    return f"Balanced: {busy}, and nothing else held the workers up for long."


def recommendations(s: Summary) -> list[str]:
    """Say what to change, the most useful first; empty if nothing stands out."""
    found = [
        _about_failures(s),
        _about_memory_growth(s),
        _about_memory_ceiling(s),
        _about_low_memory(s),
        _about_larger(s),
    ]
    if s.elapsed_seconds >= _LEAST_SECONDS and s.converted_files:
        found += [_about_memory_wait(s), _about_io(s), _about_source(s), _about_throttling(s)]
    return [text for text in found if text]


def _about_failures(s: Summary) -> str | None:
    if not s.failed_files:
        return None
    reason, count = max(s.failures_by_reason.items(), key=lambda item: (item[1], item[0]))
    return (
        f"{s.failed_files} pictures failed, most often as {reason} ({count}); "
        "failed.jsonl says what to do for each."
    )


def _about_memory_growth(s: Summary) -> str | None:
    if memory_is_stable(s) is False:
        return "Memory grew as the run went on; give it a limit, and look at memory_snapshots."
    return None


def _about_memory_ceiling(s: Summary) -> str | None:
    if s.runs == 1 and s.peak_rss_bytes is not None and s.peak_rss_bytes > s.memory_bytes > 0:
        return "Memory went over its ceiling; lower pool.memory to stay clear of the limit."
    return None


def _about_low_memory(s: Summary) -> str | None:
    if s.low_memory_files * 20 < s.converted_files or not s.low_memory_files:
        return None
    return (
        f"{s.low_memory_files} pictures were encoded with less memory than libwebp likes, which "
        "takes up to twice the CPU time; raise pool.memory."
    )


def _about_larger(s: Summary) -> str | None:
    if s.larger_files * 20 < s.converted_files or not s.larger_files:
        return None
    return (
        f"{s.larger_files} WebPs are larger than their originals: drawings in few colours, or "
        "pictures that are compressed hard already; policy.if_larger says what becomes of them, "
        "webp.mode auto makes drawings smaller."
    )


def _about_memory_wait(s: Summary) -> str | None:
    if _share(s, s.memory_wait_us) < _MUCH or _cpu_share(s) >= _BUSY:
        return None
    return "CPU slots stood idle for want of memory; raise pool.memory."


def _about_io(s: Summary) -> str | None:
    if _share(s, s.fetch_us + s.store_us) < _MUCH or _cpu_share(s) >= _BUSY:
        return None
    if s.run is not None and s.run.settings.get("pool", {}).get("workers") == "auto":
        return "Reading and writing held workers up, though there were as many as there may be."
    return f"Reading and writing held workers up; set pool.workers above {s.workers}, or to auto."


def _about_source(s: Summary) -> str | None:
    if _share(s, s.source_wait_us) < _MUCH or _cpu_share(s) >= _BUSY:
        return None
    return "Workers waited for the source: listing it is slower than converting it."


def _about_throttling(s: Summary) -> str | None:
    if not _is_starved(s):
        return None
    return (
        "CPU slots were taken but got no CPU: other processes are at work, or the quota throttles; "
        "lower pool.cpus to what is really there."
    )


def _is_starved(s: Summary) -> bool:
    return s.convert_us / 1e6 - s.cpu_seconds > _MUCH * s.convert_us / 1e6


def _cpu_share(s: Summary) -> float:
    return s.cpu_seconds / max(1e-6, s.elapsed_seconds * s.cpu_slots)


def _share(s: Summary, us: int) -> float:
    # Logs of earlier versions do not tell the workers' time, since their number was fixed.
    return us / max(1, s.worker_us or s.elapsed_seconds * s.workers * 1e6)
