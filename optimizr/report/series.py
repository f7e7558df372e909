"""A run over time and its distributions, as plain numbers to be drawn or listed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from optimizr.histogram import value_of
from optimizr.summary import Summary
from optimizr.timeslots import Snapshot

_BINS = 60
"""Points of a curve over time, at most."""
_LEAST_BIN_OF_PODS = 60
"""Seconds: samples of several processes come at different times, so that shorter bins flicker."""
_LEAST_SPAN = 0.5
"""Seconds: over less than that, the ticks of the CPU clock show."""
_DURATIONS_MS = (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000)


class Point(NamedTuple):
    """A value at some time after the start."""

    seconds: float
    value: float


class Span(NamedTuple):
    """A value that holds from one time after the start to another, in seconds."""

    since: float
    until: float
    value: float


class Bar(NamedTuple):
    """A class of a distribution, and how many pictures are in it."""

    label: str
    counts: tuple[int, ...]


def throughput(s: Summary) -> list[Span]:
    """Pictures converted a second, in bins of equal width."""
    done = {slot: activity.files for slot, activity in s.timeline.by_slot.items()}
    return _binned(s, done, math.ceil(s.elapsed_seconds / _BINS))


def cpus_used(s: Summary) -> list[Span]:
    """CPU seconds a second: how many CPUs were at work, between one sample and the next."""
    used = {slot: a.cpu_us / 1e6 for slot, a in s.timeline.by_slot.items() if a.cpu_us}
    if s.runs > 1:
        least = max(_LEAST_BIN_OF_PODS, math.ceil(s.elapsed_seconds / _BINS))
        return _binned(s, used, least)
    times = {k.time_us // 1_000_000 // s.timeline.slot_seconds: k.time_us for k in _snapshots(s)}
    start = s.start_us or 0
    ends = [(slot, (times[slot] - start) / 1e6) for slot in sorted(used) if slot in times]
    return [
        Span(since, until, used[slot] / (until - since))
        for (_, since), (slot, until) in pairwise([(0, 0.0), *ends])
        if until - since >= _LEAST_SPAN
    ]


def _binned(s: Summary, amounts: Mapping[int, float], least_seconds: int) -> list[Span]:
    """Sum what is in slots by bins, and divide by the time that each bin has of the run."""
    if s.start_us is None:
        return []
    slot_seconds, start = s.timeline.slot_seconds, s.start_us // 1_000_000
    width = max(slot_seconds, least_seconds)
    bins: dict[int, float] = {}
    for slot, amount in amounts.items():
        place = max(0, slot * slot_seconds - start) // width
        bins[place] = bins.get(place, 0) + amount
    return [
        Span(since, until, bins.get(place, 0) / max(1.0, until - since))
        for place in range(max(bins, default=-1) + 1)
        for since, until in [(place * width, min((place + 1) * width, s.elapsed_seconds))]
        if until > since
    ]


def memory(s: Summary) -> list[Point]:
    """RSS in bytes, as sampled; of several processes the largest."""
    start = s.start_us or 0
    return [Point(max(0.0, (kept.time_us - start) / 1e6), kept.rss_bytes) for kept in _snapshots(s)]


def _snapshots(s: Summary) -> list[Snapshot]:
    return sorted(s.snapshots.by_slot.values(), key=lambda kept: kept.time_us)


def sizes(s: Summary) -> list[Bar]:
    """Count pictures by the size of the original and of the WebP, in powers of two."""
    classes = sorted({*s.input_sizes, *s.output_sizes})
    return (
        [
            Bar(f"< {_binary(place)}", (s.input_sizes.get(place, 0), s.output_sizes.get(place, 0)))
            for place in range(classes[0], classes[-1] + 1)
        ]
        if classes
        else []
    )


def _binary(power: int) -> str:
    unit = ("B", "KiB", "MiB", "GiB", "TiB")[power // 10]
    return f"{1 << power % 10} {unit}"


def savings(s: Summary) -> list[Bar]:
    """Count pictures by what they save, in steps of ten percent."""
    counts: dict[int, int] = {}
    for percent, count in s.savings.items():
        counts[percent // 10] = counts.get(percent // 10, 0) + count
    if not counts:
        return []
    steps = range(min(counts), max(counts) + 1)
    return [Bar(_tenth(step), (counts.get(step, 0),)) for step in steps]


def _tenth(step: int) -> str:
    return "under -90%" if step == -10 else f"{step * 10} to {step * 10 + 9}%"


def durations(s: Summary) -> list[Bar]:
    """Count pictures by how long they took: fetch, convert and store."""
    counts = [0] * (len(_DURATIONS_MS) + 1)
    for bucket, count in s.durations.items():
        ms = value_of(bucket) / 1000
        counts[sum(ms > bound for bound in _DURATIONS_MS)] += count
    labels = [f"to {ms} ms" if ms < 1000 else f"to {ms // 1000} s" for ms in _DURATIONS_MS]
    named = zip([*labels, "longer"], counts, strict=True)
    return _trimmed([Bar(label, (count,)) for label, count in named])


def _trimmed(bars: Sequence[Bar]) -> list[Bar]:
    """Leave out the empty classes at both ends."""
    filled = [place for place, bar in enumerate(bars) if any(bar.counts)]
    return list(bars[filled[0] : filled[-1] + 1]) if filled else []
