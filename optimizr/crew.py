"""How many workers: as many as CPU slots, and more while slots stand idle for want of pictures.

Each worker reads, converts and writes one picture after the other. Where reading takes no time,
more workers than slots only get into each other's way (measured on small pictures on a local disk:
4 workers on 2 CPUs take a tenth longer than 2); where it takes 200 ms, two slots are kept busy by
forty. So the size follows what is measured: every while it is asked whether the CPUs were used, and
what the workers were waiting for.

Memory is looked after here too: near the ceiling free memory is given back to the system, and if
that is not enough, fewer pictures are taken up.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import psutil

from optimizr.limits import Limits
from optimizr.machine import Machine, trim_heap
from optimizr.monitor import Waits
from optimizr.pool import Pool
from optimizr.source import Source

_WINDOW_SECONDS = 0.25
"""How long to measure before the next step; the window after a step is let pass."""
MOST_PER_SLOT = 32
"""Workers: two slots with 10 ms of work are kept busy behind 300 ms of latency."""
_ENOUGH_CPU, _IDLE_SLOTS = 0.92, 0.10
"""Share of the CPUs' time from which on more workers could not make it much faster; and share of
the slots' time that must have been idle, else it is others who take the CPUs."""
_MUCH_IO = 0.3
_ENOUGH_CPU_FOR_IO, _IDLE_SLOTS_FOR_IO = 0.98, 0.04
"""The same where workers spend more than 30% of their time on reading and writing: there is no
doubt then that more of them would hide it."""
_CROWDED = 0.25
"""Share of the workers' time spent waiting for slots or memory from which on there are too many."""
_MOST_STEP = 6.0
_LEAST_GAIN = 1.04
"""By how much a step must raise the use of CPU to be kept."""
_PATIENCE = 8
"""Windows to wait after a step that did not help; doubled each time, up to 128."""
_NEAR = 0.92
"""Share of the memory ceiling from which on memory is given back."""


class Window(NamedTuple):
    """What was measured for a while, as shares of the time that there was."""

    cpu: float
    """CPU time used, of the slots' time."""
    slots: float
    """Slots held, of the slots' time."""
    waiting: float
    """Waiting for slots or memory, of the workers' time."""
    source: float
    """Waiting for the source, of the workers' time."""
    io: float
    """Outside of slots and not waiting: reading and writing, of the workers' time."""
    strained: bool = False
    """Memory or CPU is short, by the kernel or by the ceiling."""


def next_size(now: int, window: Window, least: int, most: int) -> int:
    """Give the number of workers for what was measured: at least 1, at most `most`.

    Below `least`, the number of slots, only while memory or CPU is short.
    """
    if window.strained:
        return max(1, now * 3 // 4)
    if now < least:
        return now + 1
    if window.waiting > _CROWDED:
        return max(least, now - max(1, now // 8))
    enough, idle = _ENOUGH_CPU, _IDLE_SLOTS
    if window.io > _MUCH_IO:
        enough, idle = _ENOUGH_CPU_FOR_IO, _IDLE_SLOTS_FOR_IO
    if window.cpu < enough and window.slots < 1 - idle and window.source < _CROWDED:
        step = min(_MOST_STEP, 1 / max(0.01, window.cpu))
        return min(most, max(now + 1, int(now * step)))
    return now


class Crew:
    """Sizes a pool as it works. Called from the thread that runs it."""

    def __init__(self, pool: Pool[Any, Any], limits: Limits, adapts: bool) -> None:
        """With `adapts` false the number of workers stays; memory is looked after all the same."""
        self.worker_seconds = 0.0
        """Time of all workers together so far."""
        self._pool = pool
        self._limits = limits
        self._adapts = adapts
        self._machine = Machine()
        self._process = psutil.Process()
        self._looked = self._began = time.monotonic()
        self._settling = False
        self._patience = 0
        self._hold = 0
        self._before: tuple[int, float] | None = None
        """The size before the last step up, and the use of CPU then."""
        self._start = self._totals()

    def look(self) -> None:
        """See whether it is time for a step, and take it."""
        now = time.monotonic()
        self.worker_seconds += self._pool.workers * (now - self._looked)
        self._looked = now
        if now - self._began < _WINDOW_SECONDS:
            return
        window = self._measure(now)
        if self._settling or self._pool.exhausted:
            self._settling = False
        elif self._adapts:
            self._step(window)

    def waits(self, source: Source) -> Waits:
        """Give what workers have waited for so far, and what goes on just now."""
        pool, limits = self._pool, self._limits
        return Waits(
            worker_seconds=self.worker_seconds,
            source_seconds=pool.waited.seconds,
            memory_seconds=limits.fetched.waited.seconds + limits.peak.waited.seconds,
            slot_seconds=limits.slots.waited.seconds,
            ignored_files=source.ignored,
            in_flight=pool.in_flight,
            workers=pool.workers,
        )

    def _step(self, window: Window) -> None:
        now, least = self._pool.workers, self._limits.slots.total
        before, self._before = self._before, None
        if before is not None and now > before[0] and window.cpu < before[1] * _LEAST_GAIN:
            self._patience = min(2 * self._patience or _PATIENCE, 128)
            self._hold = self._patience
            self._resize(before[0])
            return
        size = next_size(now, window, least, max(least, MOST_PER_SLOT * least))
        self._hold = max(0, self._hold - 1)
        if size > max(now, least):
            if self._hold:
                return
            self._before = now, window.cpu
        self._resize(size)

    def _resize(self, size: int) -> None:
        if size != self._pool.workers:
            self._pool.resize(size)
            self._settling = True

    def _measure(self, now: float) -> Window:
        start, end = self._start, self._totals()
        cpu, slots, waiting, source, workers = (b - a for a, b in zip(start, end, strict=True))
        capacity = (now - self._began) * self._limits.slots.total
        self._start, self._began = end, now
        return Window(
            cpu / capacity,
            slots / capacity,
            waiting / workers,
            source / workers,
            max(0.0, 1 - (slots + waiting + source) / workers),
            self._is_strained(),
        )

    def _totals(self) -> tuple[float, ...]:
        limits = self._limits
        return (
            sum(self._process.cpu_times()[:2]),
            limits.slots.held_seconds,
            sum(b.waited.seconds for b in (limits.slots, limits.peak, limits.fetched)),
            self._pool.waited.seconds,
            self.worker_seconds,
        )

    def _is_strained(self) -> bool:
        near = int(self._limits.memory * _NEAR)
        if self._process.memory_info().rss > near:
            trim_heap()
            if self._process.memory_info().rss > near:
                return True
        return self._machine.is_pressed()
