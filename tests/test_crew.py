from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizr import crew
from optimizr.budget import Budget, Waited
from optimizr.crew import Crew, Window, next_size
from optimizr.limits import Limits
from optimizr.pool import Pool, Stop

_shares = st.floats(0, 1)
windows = st.builds(
    Window, cpu=_shares, slots=_shares, waiting=_shares, source=_shares, io=_shares,
    strained=st.booleans(),
)  # fmt: skip
IDLE = Window(cpu=0.05, slots=0.05, waiting=0, source=0, io=0.95)


@given(windows, st.integers(1, 200), st.integers(1, 16))
def test_there_is_always_one_worker_and_never_more_than_the_most(
    window: Window, now: int, least: int
) -> None:
    most = 32 * least
    size = next_size(min(now, most), window, least, most)
    assert 1 <= size <= most
    if size < least:
        assert window.strained or now < least


def test_idle_slots_bring_workers_in_proportion() -> None:
    assert next_size(2, IDLE, 2, 64) == 12
    assert next_size(40, IDLE._replace(cpu=0.8, slots=0.8), 2, 64) == 50
    assert next_size(60, IDLE, 2, 64) == 64


@pytest.mark.parametrize(
    "window",
    [
        IDLE._replace(cpu=0.99, slots=0.9),  # the CPUs are used
        IDLE._replace(slots=0.99),  # the slots are held: others take the CPUs
        IDLE._replace(source=0.6),  # the listing is what is slow
    ],
)
def test_where_more_workers_would_not_help_none_come(window: Window) -> None:
    assert next_size(2, window, 2, 64) == 2


def test_workers_that_wait_for_slots_go_down_to_the_number_of_slots_and_no_further() -> None:
    crowded = IDLE._replace(cpu=1, slots=1, waiting=0.8, io=0.1)
    assert next_size(40, crowded, 2, 64) == 35
    assert next_size(2, crowded, 2, 64) == 2


def test_where_memory_is_short_there_are_fewer_even_than_slots_and_they_come_back() -> None:
    assert next_size(4, IDLE._replace(strained=True), 4, 64) == 3
    assert next_size(1, IDLE._replace(strained=True), 4, 64) == 1
    assert next_size(1, IDLE._replace(cpu=1, slots=1), 4, 64) == 2


def limits(slots: int) -> Limits:
    return Limits(slots, Budget(slots), 1 << 50, 1 << 50, Budget(1 << 50), Budget(1 << 50))


def at_work(work: Callable[[], None], count: int, adapts: bool = True) -> tuple[float, list[int]]:
    """Do something so many times; give how long it took, and how many workers there were."""

    def job(item: int) -> int:
        work()
        return item

    pool: Pool[int, int] = Pool(job, 2)
    watched = Crew(pool, limits(2), adapts)
    start = time.monotonic()
    done, sizes = set(), []
    for results in pool.run(range(count), Stop(), 1):
        watched.look()
        sizes.append(pool.workers)
        done.update(results)
    assert done == set(range(count))
    return time.monotonic() - start, sizes


def slow() -> None:
    time.sleep(0.1)


def test_a_slow_source_brings_workers() -> None:
    took, sizes = at_work(slow, 200)
    assert max(sizes) > 8
    assert took < 200 * 0.1 / 2  # two workers would take 10 s


def test_a_fixed_number_of_workers_stays() -> None:
    assert set(at_work(slow, 20, adapts=False)[1]) == {2}


class Sized:
    """A pool of which only the size matters."""

    workers = 2
    waited = Waited()
    exhausted = False

    def resize(self, workers: int) -> None:
        self.workers = workers


def test_a_step_that_does_not_help_is_taken_back_and_tried_again_later() -> None:
    pool = Sized()
    watched = Crew(pool, limits(2), adapts=True)  # type: ignore[arg-type]
    sizes = []
    for _ in range(crew._PATIENCE + 2):
        watched._step(IDLE)  # the use of CPU stays what it was
        sizes.append(pool.workers)
    assert sizes == [12, *[2] * crew._PATIENCE, 12]


def test_a_step_that_helps_stays() -> None:
    pool = Sized()
    watched = Crew(pool, limits(2), adapts=True)  # type: ignore[arg-type]
    watched._step(IDLE)
    watched._step(IDLE._replace(cpu=0.3, slots=0.3))
    assert pool.workers == 40


def test_near_the_ceiling_memory_is_given_back_and_fewer_pictures_are_taken_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trimmed = []
    monkeypatch.setattr(crew, "trim_heap", lambda: trimmed.append(1))
    bounds = limits(4)
    pool: Pool[int, int] = Pool(abs, 4)
    full = replace(bounds, memory=1 << 20)
    watched = Crew(pool, full, adapts=True)
    assert watched._is_strained()
    assert trimmed
