"""benchmarks/stragglers.py simulates what can be told by hand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.stragglers import (
    NODES,
    QUEUE,
    SLOTS,
    UNITS,
    Kind,
    Library,
    makespan,
    over_ideal,
    table,
)

EQUAL, DIFFERENT, LOST = NODES
LIBRARY = Library([Kind("small", np.linspace(0.01, 0.03, 19)), Kind("large", np.array([1.0]))])


def test_a_pod_takes_the_next_unit_when_it_is_free() -> None:
    fast_and_slow = np.array([1.0, 0.5])
    units = SLOTS * np.array([4.0, 1.0, 1.0, 1.0])
    nothing = np.zeros(4)
    # The fast pod has the first until 4; the slow one the second until 2 and the third until 4; the
    # last one the fast pod takes.
    assert makespan(units, fast_and_slow, nothing, 0) == 5
    assert makespan(units, fast_and_slow, nothing, 1) == 7
    assert makespan(units, fast_and_slow, np.array([0, 0, 10, 0]), 0) == 14


@pytest.mark.parametrize("how", UNITS)
def test_all_pictures_are_given_out(how: str) -> None:
    units = UNITS[how](LIBRARY, np.random.default_rng(1), 20)
    assert units.sum() == pytest.approx(LIBRARY.seconds, rel=0.1)


def test_a_list_is_less_even_than_hashes_and_a_queue_makes_up_for_slow_nodes() -> None:
    def ratio(how: str) -> float:
        return over_ideal(LIBRARY, how, 100, DIFFERENT, 1)

    by_hash, ranges = "a shard by hash each", "a range of a list each"
    assert 1 <= ratio(QUEUE) < 1.02
    assert ratio(QUEUE) < ratio(by_hash) < ratio(ranges)
    assert ratio(f"ten shards{by_hash.removeprefix('a shard')}") < ratio(by_hash)


def test_pods_that_are_lost_take_longer() -> None:
    often = LOST._replace(losses=1000)
    for how in UNITS:
        assert over_ideal(LIBRARY, how, 10, often, 1) > over_ideal(LIBRARY, how, 10, DIFFERENT, 1)


def test_the_same_times_give_the_same_table() -> None:
    drawn = table(LIBRARY, pods=(10,), rounds=1)
    assert drawn == table(LIBRARY, pods=(10,), rounds=1)
    assert len(drawn.splitlines()) == 2 + len(UNITS)
