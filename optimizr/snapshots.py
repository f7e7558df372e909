"""Memory over time in bounded space: the largest sample of each time slot, in slots that widen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

MAX_SNAPSHOTS = 240
"""Memory snapshots kept: two hours at the default interval before the first thinning."""


class Snapshot(NamedTuple):
    """One look at memory; of several in a time slot the one with the largest RSS is kept."""

    rss_bytes: int
    time_us: int
    """Microseconds since 1970, UTC."""
    system_bytes: int
    run_id: str


class Snapshots(NamedTuple):
    """Memory over time, thinned to `MAX_SNAPSHOTS` by widening the time slots."""

    slot_seconds: int = 1
    by_slot: Mapping[int, Snapshot] = {}


def thin(a: Snapshots, b: Snapshots) -> Snapshots:
    """Keep the largest snapshot of each slot, and double the slots until few enough are left.

    Slots nest, and the largest of a slot is the largest of its halves' largest: so what is kept
    depends on the set of snapshots alone, not on the order in which they came.
    """
    if not a.by_slot or not b.by_slot:
        return a if a.by_slot else b
    width = max(a.slot_seconds, b.slot_seconds)
    while True:
        kept: dict[int, Snapshot] = {}
        for snapshot in (*a.by_slot.values(), *b.by_slot.values()):
            slot = snapshot.time_us // (width * 1_000_000)
            kept[slot] = max(kept.get(slot, snapshot), snapshot)
        if len(kept) <= MAX_SNAPSHOTS:
            return Snapshots(width, kept)
        width *= 2
