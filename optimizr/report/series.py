"""A run over time and its distributions, as plain numbers to be drawn or listed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from optimizr.histogram import value_of
from optimizr.summary import Summary
from optimizr.timeslots import Snapshot

_BINS = 60
"""Points of a curve over time, at most."""
_LEAST_SPAN = 0.5
"""Seconds: over less than that, the ticks of the CPU clock show."""
_TENTHS = (1, 2, 5, 10, 20, 50, 100)
"""Of a point or a decibel, that a class of looks may span."""
_CLASSES = 12
"""Of looks, at most."""
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
    """CPU seconds a second: how many CPUs were at work; of several processes, on average.

    Logs of earlier versions do not tell the time that samples are of: nothing is drawn of these.
    """
    slot_seconds, start = s.timeline.slot_seconds, (s.start_us or 0) / 1e6
    sampled = [(slot, a) for slot, a in sorted(s.timeline.by_slot.items()) if a.sampled_us]
    each = math.ceil(len(sampled) / _BINS) or 1
    spans: list[Span] = []
    since = 0.0
    for place in range(0, len(sampled), each):
        some = sampled[place : place + each]
        cpu_us, of_us = (
            sum(amounts)
            for amounts in zip(*((a.cpu_us, a.sampled_us) for _, a in some), strict=True)
        )
        until = min(s.elapsed_seconds, (some[-1][0] + 1) * slot_seconds - start)
        if of_us / 1e6 >= _LEAST_SPAN and until > since:
            spans.append(Span(since, until, cpu_us / of_us))
            since = until
    return spans


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
    unit = min(power // 10, 4)
    return f"{1 << power - 10 * unit} {('B', 'KiB', 'MiB', 'GiB', 'TiB')[unit]}"


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


def looks(tenths: Mapping[int, int]) -> list[Bar]:
    """Count pictures by their look, or their PSNR, in steps as small as a chart has room for."""
    if not tenths:
        return []
    least, most = min(tenths), max(tenths)
    step = next(step for step in _TENTHS if most // step - least // step < _CLASSES)
    counts: dict[int, int] = {}
    for tenth, count in tenths.items():
        counts[tenth // step] = counts.get(tenth // step, 0) + count
    steps = range(least // step, most // step + 1)
    return [Bar(_from_to(place * step, step), (counts.get(place, 0),)) for place in steps]


def _from_to(tenth: int, step: int) -> str:
    """Name a class; nothing is above 100, and with 0 is all below."""
    if tenth == 1000:
        return "100"
    until = f"{(tenth + step) / 10:g}"
    return f"{tenth / 10:g} to {until}" if tenth else f"below {until}"


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
