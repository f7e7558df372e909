from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizr.budget import Budget, OverBudget
from optimizr.errors import EnvironmentStop
from optimizr.pool import WORKER, Pool, Stop


@settings(max_examples=40)
@given(st.integers(1, 50), st.lists(st.integers(0, 50), max_size=40))
def test_a_budget_is_never_overdrawn_and_everybody_gets_a_turn(
    total: int, amounts: list[int]
) -> None:
    budget = Budget(total)
    lock = threading.Lock()
    taken, most, done, refused = 0, 0, 0, 0

    def work(amount: int) -> None:
        nonlocal taken, most, done, refused
        try:
            with budget.hold(amount):
                with lock:
                    taken += amount
                    most = max(most, taken)
                with lock:
                    taken -= amount
                    done += 1
        except OverBudget:
            with lock:
                refused += 1

    threads = [threading.Thread(target=work, args=(amount,)) for amount in amounts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert most <= total
    assert refused == sum(amount > total for amount in amounts)
    assert done + refused == len(amounts)


def test_a_budget_is_first_come_first_served_so_that_large_requests_do_not_starve() -> None:
    budget = Budget(10)
    order: list[int] = []

    def work(amount: int) -> None:
        with budget.hold(amount):
            order.append(amount)

    with budget.hold(6):
        threads = []
        for waiting, amount in enumerate((10, 1, 2), start=1):
            threads.append(threading.Thread(target=work, args=(amount,)))
            threads[-1].start()
            while len(budget._queue) < waiting:  # 1 and 2 would fit, but 10 was first
                time.sleep(0.001)
    for thread in threads:
        thread.join(10)
    assert order[0] == 10


def test_a_hold_that_shrinks_lets_the_next_one_in() -> None:
    budget = Budget(10)
    entered = threading.Event()

    def work() -> None:
        with budget.hold(7):
            entered.set()

    with budget.hold(10) as hold:
        thread = threading.Thread(target=work)
        thread.start()
        assert not entered.wait(0.05)
        hold.shrink(3)
        assert entered.wait(10)
        hold.shrink(8)  # never grows
    thread.join(10)
    with budget.hold(10):
        pass
    assert budget.waited.seconds > 0


def test_asking_for_more_than_there_is_says_both_numbers() -> None:
    with pytest.raises(OverBudget) as caught, Budget(5).hold(6):
        pass
    assert (caught.value.asked, caught.value.total) == (6, 5)


def results(pool: Pool[Any, Any], items: Any, stop: Stop | None = None, drain: float = 5) -> Any:
    return [got for some in pool.run(items, stop or Stop(), drain) for got in some]


def test_every_item_comes_back_once() -> None:
    assert sorted(results(Pool(lambda n: n * 2, 4), range(100))) == list(range(0, 200, 2))


def test_the_source_is_pulled_no_faster_than_workers_take() -> None:
    pulled = 0
    gate = threading.Event()

    def source() -> Iterator[int]:
        nonlocal pulled
        for number in range(1000):
            pulled += 1
            yield number

    def work(number: int) -> int:
        gate.wait(10)
        return number

    pool = Pool(work, 3)
    outcomes = pool.run(source(), Stop(), 5)
    assert next(outcomes) == []
    assert pulled == 3
    assert pool.in_flight == 3
    gate.set()
    assert sum(map(len, outcomes)) == 1000


def test_results_that_nobody_reads_hold_the_workers_up() -> None:
    done = 0

    def work(_: int) -> int:
        nonlocal done
        done += 1
        return done

    outcomes = Pool(work, 2).run(iter(range(1000)), Stop(), 5)
    first = len(next(outcomes))
    time.sleep(0.2)
    assert done < first + 70
    assert first + sum(map(len, outcomes)) == 1000


def test_an_exception_of_the_work_is_yielded_and_the_others_go_on() -> None:
    def work(number: int) -> int:
        if number == 5:
            raise ValueError("five")
        return number

    got = results(Pool(work, 2), range(20))
    errors = [result for result in got if isinstance(result, Exception)]
    assert [str(error) for error in errors] == ["five"]
    assert len(got) == 20


def test_an_exception_of_the_source_is_yielded_and_ends_the_run() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    got = results(Pool(lambda n: n, 4), source())
    assert 1 in got
    assert [str(result) for result in got if isinstance(result, Exception)] == ["gone"]


def test_after_a_stop_no_item_is_taken_and_those_in_flight_finish() -> None:
    stop, pulled, gate = Stop(), 0, threading.Event()

    def source() -> Iterator[int]:
        nonlocal pulled
        while True:
            pulled += 1
            yield pulled

    def work(number: int) -> int:
        gate.wait(10)
        return number

    pool = Pool(work, 3)
    outcomes = pool.run(source(), stop, 10)
    next(outcomes)
    stop.signal = 2
    gate.set()
    assert {got for some in outcomes for got in some} == {1, 2, 3}
    assert pulled == 3
    assert pool.in_flight == 0


def test_what_outlives_the_drain_is_abandoned() -> None:
    stop, gate = Stop(), threading.Event()
    pool: Pool[int, bool] = Pool(lambda _: gate.wait(30), 2)
    outcomes = pool.run(iter(range(10)), stop, 0.2)
    next(outcomes)
    stop.signal = 15
    assert sum(map(len, outcomes)) == 0
    assert pool.in_flight == 2
    gate.set()


def test_what_was_done_by_the_end_of_the_drain_is_told_however_slow_the_reader() -> None:
    stop, done, lock = Stop(), 0, threading.Lock()

    def work(number: int) -> int:
        nonlocal done
        with lock:
            done += 1
        return number

    pool = Pool(work, 8)
    outcomes = pool.run(iter(range(10_000)), stop, 0)
    told = 0
    for some in outcomes:
        told += len(some)
        if told >= 20 and not stop.requested:
            stop.signal = 2
            time.sleep(0.05)
    assert told == done
    assert pool.in_flight == 0


def test_a_caller_that_leaves_lets_the_workers_go() -> None:
    before = set(threading.enumerate())
    pool: Pool[int, int] = Pool(abs, 4)
    outcomes = pool.run(iter(range(10_000)), Stop(), 5)
    next(outcomes)
    workers = {t for t in threading.enumerate() if t.name.startswith(WORKER)} - before
    assert workers
    outcomes.close()  # type: ignore[attr-defined]
    for worker in workers:
        worker.join(10)
        assert not worker.is_alive()


def test_results_gather_but_many_or_the_last_ones_do_not_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("optimizr.pool._GATHER_SECONDS", 10)
    start = time.monotonic()
    pool: Pool[int, int] = Pool(abs, 2)
    some = list(pool.run(iter(range(100)), Stop(), 5))
    assert sum(map(len, some)) == 100
    assert len(some) <= 10
    assert time.monotonic() - start < 5


def test_workers_may_come_and_go_while_it_runs() -> None:
    def work(number: int) -> int:
        time.sleep(0.002)
        return number

    pool: Pool[int, int] = Pool(work, 1)
    done: list[int | Exception] = []
    for number, some in enumerate(pool.run(iter(range(2000)), Stop(), 5)):
        done += some
        pool.resize([8, 1, 3][number % 3])
    assert sorted(done) == list(range(2000))  # type: ignore[type-var]
    assert pool.in_flight == 0


def test_an_empty_source_ends_at_once() -> None:
    assert results(Pool(lambda n: n, 4), []) == []


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_a_worker_that_is_given_up_is_replaced_and_all_is_done(workers: int) -> None:
    hang = threading.Event()

    def work(number: int) -> int:
        if number == 0:
            hang.wait(60)
        time.sleep(0.002)
        return number

    pool: Pool[int, int] = Pool(work, workers)
    done: list[int | Exception] = []
    given_up = False
    for some in pool.run(iter(range(200)), Stop(), 20):
        done += some
        if not given_up and pool.in_flight:
            given_up = pool.give_up(0)
            pool.resize(1)
    assert given_up
    assert pool.exhausted
    assert sorted(done) == list(range(1, 200))  # type: ignore[type-var]
    hang.set()


def test_a_system_without_more_threads_is_no_end_while_there_is_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start, begun = threading.Thread.start, 0

    def starts_three(thread: threading.Thread) -> None:
        nonlocal begun
        begun += thread.name.startswith(WORKER)
        if thread.name.startswith(WORKER) and begun > 3:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", starts_three)
    pool: Pool[int, int] = Pool(abs, 8)
    assert sorted(results(pool, range(50))) == list(range(50))
    assert 1 <= pool.workers <= 3
    with pytest.raises(EnvironmentStop, match="start a thread"):
        results(Pool(abs, 2), range(5))
