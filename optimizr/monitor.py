"""The process looks at itself: memory, CPU, garbage collection, and what workers wait for.

Each sample tells times and counts since the one before, so that a summary of any samples is their
plain sum; the first counts from when the monitor was made.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Self

import psutil

from optimizr.events import (
    RunSampled,
    milliseconds,
)
from optimizr.machine import Machine, peak_rss

_SOONEST_SECONDS = 2.0


class Waits(NamedTuple):
    """What only the pipeline knows, as totals since the start, and two gauges."""

    worker_seconds: float = 0.0
    source_seconds: float = 0.0
    memory_seconds: float = 0.0
    slot_seconds: float = 0.0
    ignored_files: int = 0
    in_flight: int = 0
    workers: int = 0


class Monitor:
    """Samples on demand; listens to the garbage collector while its `with` block lasts."""

    def __init__(self, interval_seconds: float, waits: Callable[[], Waits]) -> None:
        self._interval = interval_seconds
        self.waits = waits
        """Called in any thread that asks."""
        self._machine = Machine()
        self._process = psutil.Process()
        self._next = self._start = self._looked = time.monotonic()
        self._cpu = self._cpu_at_start = self._process.cpu_times()[:2]
        self._told = Waits()
        self._gc_start = 0.0
        self._gc_pauses: list[float] = []

    def __enter__(self) -> Self:
        gc.callbacks.append(self._on_gc)
        return self

    def __exit__(self, *_: object) -> None:
        gc.callbacks.remove(self._on_gc)

    def due(self) -> bool:
        """Tell whether the interval since the last sample is over."""
        return time.monotonic() >= self._next

    def cpu_seconds(self) -> tuple[float, float]:
        """Give the CPU time of the process since the monitor was made: user, system.

        For any thread.
        """
        user, system = self._process.cpu_times()[:2]
        return user - self._cpu_at_start[0], system - self._cpu_at_start[1]

    def sample(self) -> RunSampled:
        """Look now. The first looks come sooner than the interval says: a short run has a curve."""
        now = time.monotonic()
        self._next = now + min(self._interval, max(_SOONEST_SECONDS, (now - self._start) / 2))
        memory = self._process.memory_info()
        cpu = self._process.cpu_times()[:2]
        waits, told = self.waits(), self._told
        # Swapped in one step: a collection may end in another thread just now.
        pauses, self._gc_pauses = self._gc_pauses, []
        event = RunSampled(
            rss_bytes=memory.rss,
            peak_rss_bytes=max(peak_rss(), memory.rss),
            system_bytes=self._machine.memory_charged() or memory.vms,
            interval_ms=milliseconds(now - self._looked),
            cpu_user_ms=milliseconds(cpu[0] - self._cpu[0]),
            cpu_system_ms=milliseconds(cpu[1] - self._cpu[1]),
            gc_runs=len(pauses),
            gc_pause_ms=milliseconds(sum(pauses)),
            gc_pause_max_ms=milliseconds(max(pauses, default=0.0)),
            worker_ms=milliseconds(waits.worker_seconds - told.worker_seconds),
            source_wait_ms=milliseconds(waits.source_seconds - told.source_seconds),
            memory_wait_ms=milliseconds(waits.memory_seconds - told.memory_seconds),
            slot_wait_ms=milliseconds(waits.slot_seconds - told.slot_seconds),
            ignored_files=waits.ignored_files - told.ignored_files,
            in_flight=waits.in_flight,
            workers=waits.workers,
        )
        self._cpu = cpu
        self._looked = now
        self._told = waits
        return event

    def _on_gc(self, phase: str, _info: dict[str, Any]) -> None:
        """Time a collection. Python never runs two at once, so one start time is enough."""
        if phase == "start":
            self._gc_start = time.perf_counter()
        else:
            self._gc_pauses.append(time.perf_counter() - self._gc_start)
