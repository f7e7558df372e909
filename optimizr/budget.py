"""Amounts that workers share: bytes of memory, CPU slots.

First come, first served, so a large request is never starved by small ones.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class OverBudget(Exception):  # noqa: N818 - a fact, which the caller turns into an error
    """More is asked for than the whole budget; waiting would not help."""

    def __init__(self, asked: int, total: int) -> None:
        super().__init__(f"{asked} of {total}")
        self.asked = asked
        self.total = total


class Waited:
    """Time that workers have spent waiting, summed over workers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting = 0
        self._seconds = 0.0
        """Less the start of each wait that goes on."""

    @property
    def seconds(self) -> float:
        """All of it so far, of those who still wait too."""
        with self._lock:
            return self._seconds + self._waiting * time.perf_counter()

    @property
    def waiting(self) -> int:
        """How many wait just now."""
        return self._waiting

    @contextmanager
    def measure(self) -> Iterator[None]:
        """Count the time of a `with` block."""
        self._add(+1)
        try:
            yield
        finally:
            self._add(-1)

    def _add(self, waiting: int) -> None:
        with self._lock:
            self._waiting += waiting
            self._seconds -= waiting * time.perf_counter()


class Hold:
    """A part of a budget that somebody has."""

    def __init__(self, budget: Budget, amount: int) -> None:
        self._budget = budget
        self._amount = amount

    def shrink(self, amount: int) -> None:
        """Give back all but `amount`; a hold never grows."""
        if amount < self._amount:
            self._budget._release(self._amount - amount)  # noqa: SLF001 - its other half
            self._amount = amount


class Budget:
    """An amount (bytes, slots) that workers share, first come, first served.

    The queue is a deque of tickets, each with an event of its own: a release wakes just those
    whose turn has come and who fit, and a newcomer never passes one who waits.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.waited = Waited()
        self._held_seconds = 0.0
        self._changed = time.monotonic()
        self._free = total
        self._lock = threading.Lock()
        self._queue: deque[tuple[int, threading.Event]] = deque()

    @property
    def held(self) -> int:
        """What is held just now."""
        return self.total - self._free

    @property
    def held_seconds(self) -> float:
        """What was held, times how long: slot-seconds, say."""
        with self._lock:
            return self._so_far()

    @contextmanager
    def hold(self, amount: int) -> Iterator[Hold]:
        """Have `amount` for the length of a `with`. Raises OverBudget if it never could."""
        if amount > self.total:
            raise OverBudget(amount, self.total)
        self._acquire(amount)
        hold = Hold(self, amount)
        try:
            yield hold
        finally:
            hold.shrink(0)

    def _acquire(self, amount: int) -> None:
        with self._lock:
            if not self._queue and amount <= self._free:
                self._change(-amount)
                return
            turn = threading.Event()
            self._queue.append((amount, turn))
        with self.waited.measure():
            turn.wait()

    def _release(self, amount: int) -> None:
        with self._lock:
            self._change(amount)
            while self._queue and self._queue[0][0] <= self._free:
                granted, turn = self._queue.popleft()
                self._change(-granted)
                turn.set()

    def _so_far(self) -> float:
        now = time.monotonic()
        self._held_seconds += self.held * (now - self._changed)
        self._changed = now
        return self._held_seconds

    def _change(self, amount: int) -> None:
        self._so_far()
        self._free += amount
