"""A run over time in bounded space: what happened in each time slot, in slots that widen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

MAX_SLOTS = 240
"""Slots kept. Those of one second last for four minutes, then each takes two, and so on."""

T = TypeVar("T")


class Snapshot(NamedTuple):
    """One look at memory; of several in a time slot the one with the largest RSS is kept."""

    rss_bytes: int
    time_us: int
    """Microseconds since 1970, UTC."""
    system_bytes: int
    run_id: str


class Snapshots(NamedTuple):
    """Memory over time. Slots are counted from 1970."""

    slot_seconds: int = 1
    by_slot: Mapping[int, Snapshot] = {}


class Activity(NamedTuple):
    """What was done in a time slot."""

    files: int = 0
    """Converted."""
    input_bytes: int = 0
    output_bytes: int = 0
    cpu_us: int = 0
    """CPU time of the process over the time that its samples in this slot are of."""
    sampled_us: int = 0
    """That time: from the sample before each, which may be in an earlier slot."""


class Timeline(NamedTuple):
    """Work over time. Slots are counted from 1970."""

    slot_seconds: int = 1
    by_slot: Mapping[int, Activity] = {}


def largest(a: Snapshots, b: Snapshots) -> Snapshots:
    """Merge two, each slot's largest."""
    return Snapshots(*_merged((a.slot_seconds, a.by_slot), (b.slot_seconds, b.by_slot), max))


def together(a: Timeline, b: Timeline) -> Timeline:
    """Merge two, each slot's sum."""
    return Timeline(*_merged((a.slot_seconds, a.by_slot), (b.slot_seconds, b.by_slot), _add))


def _add(a: Activity, b: Activity) -> Activity:
    return Activity(a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3], a[4] + b[4])


_Slots = tuple[int, Mapping[int, T]]


def _merged(a: _Slots[T], b: _Slots[T], combine: Callable[[T, T], T]) -> _Slots[T]:
    """Combine what is in the same slot, and double the slots until few enough are left.

    Slots nest, and what is in one is the combination of its halves, which is associative and
    commutative: so the result depends on what was put in alone, not on the order.
    """
    if not a[1] or not b[1]:
        return a if a[1] else b
    width = max(a[0], b[0])
    kept = dict(_widened(a, width, combine))
    for slot, value in _widened(b, width, combine).items():
        kept[slot] = combine(kept[slot], value) if slot in kept else value
    while len(kept) > MAX_SLOTS:
        kept = dict(_widened((width, kept), 2 * width, combine))
        width *= 2
    return width, kept


def _widened(slots: _Slots[T], width: int, combine: Callable[[T, T], T]) -> Mapping[int, T]:
    before, by_slot = slots
    if before == width:
        return by_slot
    kept: dict[int, T] = {}
    for slot, value in by_slot.items():
        wide = slot * before // width
        kept[wide] = combine(kept[wide], value) if wide in kept else value
    return kept
