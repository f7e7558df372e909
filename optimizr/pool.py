"""Bounded threads that know nothing of pictures.

What is in flight is bounded by count (a worker pulls the next item only when it is free, so the
source feels the backpressure), and, where the work asks for it, by two or more `Budget`s. A budget
is first come, first served, so a large request is never starved by small ones.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

WORKER = "worker-"
"""How the names of the threads begin."""
_TICK_SECONDS = 0.1
"""How soon a stop or a sample that is due is noticed while no result comes."""


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
        self._seconds = 0.0

    @property
    def seconds(self) -> float:
        """All of it so far."""
        return self._seconds

    @contextmanager
    def measure(self) -> Iterator[None]:
        """Count the time of a `with` block."""
        start = time.perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self._seconds += time.perf_counter() - start


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
        self._free = total
        self._lock = threading.Lock()
        self._queue: deque[tuple[int, threading.Event]] = deque()

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
                self._free -= amount
                return
            turn = threading.Event()
            self._queue.append((amount, turn))
        with self.waited.measure():
            turn.wait()

    def _release(self, amount: int) -> None:
        with self._lock:
            self._free += amount
            while self._queue and self._queue[0][0] <= self._free:
                granted, turn = self._queue.popleft()
                self._free -= granted
                turn.set()


class Stop:
    """The wish to end early. Set from a signal handler, so it is two plain attributes, no lock."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self.error: Exception | None = None

    def halt(self, error: Exception) -> None:
        """End because of an error; of several the first counts."""
        self.error = self.error or error

    @property
    def requested(self) -> bool:
        """Tell whether anybody has wished so."""
        return self.signal is not None or self.error is not None


class _End:
    """What a worker says last."""


class _Worker:
    """What one thread is at."""

    def __init__(self) -> None:
        self.item: object = None
        self.given_up = False


class Pool(Generic[T, R]):
    """Runs `work` over items on `workers` threads. Used once."""

    def __init__(self, work: Callable[[T], R], workers: int) -> None:
        self.waited = Waited()
        """Waiting for the source."""
        self.in_flight = 0
        """Items taken whose results have not been yielded."""
        self.given_up = 0
        """Workers that are expected no more; see `give_up`."""
        self._closed = False
        self._crew = [_Worker() for _ in range(workers)]
        self._work = work
        self._lock = threading.Lock()
        self._source_lock = threading.Lock()
        # Bounded, so that outcomes do not pile up where their reader is slow.
        self._results: queue.Queue[R | Exception | _End] = queue.Queue(workers)
        self._threads: list[threading.Thread] = []

    def run(
        self, items: Iterable[T], stop: Stop, drain_seconds: float
    ) -> Iterator[R | Exception | None]:
        """Yield each result as it comes, and None now and then so that the caller gets a turn.

        An exception that the work or the source raises is yielded, not raised: the others go on,
        and the caller decides. After `stop` no new item is taken, and those in flight have
        `drain_seconds` to finish; what has not by then is abandoned (see `in_flight`).
        """
        iterator = iter(items)
        for number, worker in enumerate(self._crew):
            thread = threading.Thread(
                target=self._serve,
                args=(worker, iterator, stop),
                name=f"{WORKER}{number}",
                daemon=True,  # an abandoned one must not keep the process
            )
            self._threads.append(thread)
            thread.start()
        try:
            yield from self._results_until_the_end(stop, drain_seconds)
        finally:
            self._closed = True

    def _results_until_the_end(
        self, stop: Stop, drain_seconds: float
    ) -> Iterator[R | Exception | None]:
        ended = 0
        deadline = math.inf
        while ended + self.given_up < len(self._crew):
            if stop.requested and deadline == math.inf:
                deadline = time.monotonic() + drain_seconds
            try:
                result = self._results.get(timeout=_TICK_SECONDS)
            except queue.Empty:
                if time.monotonic() >= deadline:
                    return  # only once it is empty: what has been done is told
                yield None
                continue
            if isinstance(result, _End):
                ended += 1
                continue
            with self._lock:
                self.in_flight -= 1
            yield result

    def join(self, seconds: float) -> None:
        """Wait at most `seconds` for the threads that `run` has left behind."""
        end = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def give_up(self, item: T) -> bool:
        """Expect nothing more of the worker that is at `item`, which it cannot be torn from.

        Its thread goes on and keeps what it holds, but what it comes to is passed over; should it
        ever come to an end, the worker is back. False if it has ended just now, so that its result
        is on the way.
        """
        with self._lock:
            for worker in self._crew:
                if worker.item is item and not worker.given_up:
                    worker.given_up = True
                    self.given_up += 1
                    self.in_flight -= 1
                    return True
        return False

    def _serve(self, worker: _Worker, items: Iterator[T], stop: Stop) -> None:
        try:
            for item in self._take(items, stop):
                worker.item = item
                result = self._try(item)
                if not self._is_back(worker):
                    self._deliver(result)
        except Exception as error:  # noqa: BLE001 - the source's, handed to the caller of run
            with self._lock:
                self.in_flight += 1  # in place of the item that it would have given
            self._deliver(error)
        finally:
            self._deliver(_End())

    def _is_back(self, worker: _Worker) -> bool:
        """Take note of an end; tell whether it was expected no more."""
        with self._lock:
            was_given_up, worker.given_up = worker.given_up, False
            self.given_up -= was_given_up
            worker.item = None
        return was_given_up

    def _try(self, item: T) -> R | Exception:
        try:
            return self._work(item)
        except Exception as error:  # noqa: BLE001 - handed to the caller of run
            return error

    def _deliver(self, result: R | Exception | _End) -> None:
        while not self._closed:  # a caller that has left reads no more
            try:
                self._results.put(result, timeout=_TICK_SECONDS)
            except queue.Full:
                continue
            return

    def _take(self, items: Iterator[T], stop: Stop) -> Iterator[T]:
        """Pull items one by one; workers take turns, so the source need not be thread-safe."""
        while True:
            with self.waited.measure(), self._source_lock:
                if stop.requested or self._closed:
                    return
                try:
                    item = next(items)
                except StopIteration:
                    return
                with self._lock:
                    self.in_flight += 1
            yield item
