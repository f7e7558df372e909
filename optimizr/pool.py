"""Bounded threads that know nothing of pictures.

What is in flight is bounded by count: a worker pulls the next item only when it is free, so the
source feels the backpressure. How many workers there are may change while they are at work.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from optimizr.budget import Waited
from optimizr.errors import EnvironmentStop

T = TypeVar("T")
R = TypeVar("R")

WORKER = "worker-"
"""How the names of the threads begin."""
_GATHER_SECONDS = 0.05
"""How long results gather: to handle ten at once takes a third of the time of one by one, since
whoever encodes in between throws all else out of the caches. A stop is noticed as soon."""
_ENOUGH = 32
"""Results that are not left to gather any longer."""
_MOST = 64
"""Results that may wait, so that outcomes do not pile up where their reader is slow."""


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


class _Worker:
    """What one thread is at."""

    def __init__(self) -> None:
        self.item: object = None
        self.given_up = False


class Pool(Generic[T, R]):
    """Runs `work` over items on `workers` threads, or on as many as `resize` says. Used once."""

    def __init__(self, work: Callable[[T], R], workers: int) -> None:
        self.waited = Waited()
        """Waiting for the source."""
        self.in_flight = 0
        """Items taken whose results have not been yielded."""
        self.given_up = 0
        """Workers that are expected no more; see `give_up`."""
        self.workers = workers
        """Threads wanted; there are more until those that are too many have done their item."""
        self.exhausted = False
        """Whether the source has given all."""
        self._closed = False
        self._at_work: set[_Worker] = set()
        self._begun = 0
        self._work = work
        self._lock = threading.Lock()
        self._source_lock = threading.Lock()
        self._results: list[R | Exception] = []
        self._ended = 0
        self._ready = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)
        self._threads: list[threading.Thread] = []

    def run(
        self, items: Iterable[T], stop: Stop, drain_seconds: float
    ) -> Iterator[list[R | Exception]]:
        """Yield the results as they come, some at a time; none now and then, to give a turn.

        An exception that the work or the source raises is yielded, not raised: the others go on,
        and the caller decides. After `stop` no new item is taken, and those in flight have
        `drain_seconds` to finish; what has not by then is abandoned (see `in_flight`).
        """
        self._source, self._stop = iter(items), stop
        self.resize(self.workers)
        try:
            yield from self._results_until_the_end(stop, drain_seconds)
        finally:
            with self._lock:
                self._closed = True
                self._room.notify_all()

    def resize(self, workers: int) -> None:
        """Have so many workers, at least 1, from now on; while `run` goes on, from its thread.

        One that is too many leaves before it would take its next item.
        """
        with self._lock:
            self.workers = workers
            missing = workers - self._live()
        try:
            for _ in range(missing):
                self._begin()
        except RuntimeError:  # the system has no more threads: those that there are must do
            with self._lock:
                self.workers = max(1, self._live())
            if not self._begun:
                raise EnvironmentStop(
                    "no_threads",
                    "expected to start a thread, but the system refuses; raise its limit of "
                    "processes (ulimit -u, pids.max of the cgroup)",
                ) from None

    def _begin(self) -> None:
        """Start a worker. Raises RuntimeError if the system has no more threads."""
        worker = _Worker()
        thread = threading.Thread(
            target=self._serve,
            args=(worker,),
            name=f"{WORKER}{self._begun}",
            daemon=True,  # an abandoned one must not keep the process
        )
        with self._lock:
            self._at_work.add(worker)
        try:
            thread.start()
        except RuntimeError:
            with self._lock:
                self._at_work.discard(worker)
            raise
        self._begun += 1
        self._threads.append(thread)

    def _live(self) -> int:
        """Count the workers of whom something is expected. Under the lock."""
        return sum(not worker.given_up for worker in self._at_work)

    def _results_until_the_end(
        self, stop: Stop, drain_seconds: float
    ) -> Iterator[list[R | Exception]]:
        deadline = math.inf
        while self._ended + self.given_up < self._begun:
            if stop.requested and deadline == math.inf:
                deadline = time.monotonic() + drain_seconds
            results = self._gathered()
            if not results and time.monotonic() >= deadline:
                return  # only once there are none: what has been done is told
            yield results
        yield self._taken()  # what came while the last ones were looked at

    def _gathered(self) -> list[R | Exception]:
        """Take the results of a while; at once if there are many, or if a worker has ended."""
        with self._lock:
            ended = self._ended
            self._ready.wait_for(
                lambda: len(self._results) >= _ENOUGH or self._ended > ended, _GATHER_SECONDS
            )
            return self._take_results()

    def _taken(self) -> list[R | Exception]:
        with self._lock:
            return self._take_results()

    def _take_results(self) -> list[R | Exception]:
        results, self._results = self._results, []
        self.in_flight -= len(results)
        self._room.notify_all()
        return results

    def join(self, seconds: float) -> None:
        """Wait at most `seconds` for the threads that `run` has left behind."""
        end = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def give_up(self, item: T) -> bool:
        """Expect nothing more of the worker that is at `item`, which it cannot be torn from.

        Another takes its place. Its thread goes on and keeps what it holds, but what it comes to is
        passed over; should it ever come to an end, the worker is back. False if it has ended just
        now, so that its result is on the way.
        """
        with self._lock:
            stuck = next((worker for worker in self._at_work if worker.item is item), None)
            if stuck is None or stuck.given_up:
                return False
            stuck.given_up = True
            self.given_up += 1
            self.in_flight -= 1
        if not self._stop.requested:
            self.resize(self.workers)
        return True

    def _serve(self, worker: _Worker) -> None:
        try:
            for item in self._take(worker):
                worker.item = item
                result = self._try(item)
                if not self._is_back(worker):
                    self._deliver(result)
        except Exception as error:  # noqa: BLE001 - the source's, handed to the caller of run
            with self._lock:
                self.in_flight += 1  # in place of the item that it would have given
            self._deliver(error)
        finally:
            with self._lock:
                self._at_work.discard(worker)
                self._ended += 1
                self._ready.notify()

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

    def _deliver(self, result: R | Exception) -> None:
        with self._lock:
            # A caller that has left reads no more.
            self._room.wait_for(lambda: len(self._results) < _MOST or self._closed)
            self._results.append(result)
            if len(self._results) >= _ENOUGH:
                self._ready.notify()

    def _take(self, worker: _Worker) -> Iterator[T]:
        """Pull items one by one; workers take turns, so the source need not be thread-safe."""
        while not self._is_too_many(worker):
            with self.waited.measure(), self._source_lock:
                if self._stop.requested or self._closed:
                    return
                try:
                    item = next(self._source)
                except StopIteration:
                    self.exhausted = True
                    return
                with self._lock:
                    self.in_flight += 1
            yield item

    def _is_too_many(self, worker: _Worker) -> bool:
        """Tell whether a worker is to leave; then it is counted no more."""
        with self._lock:
            if self._live() <= self.workers:
                return False
            self._at_work.discard(worker)
            return True
