"""The map of pictures that were encoded: bounded, and with turns."""

from __future__ import annotations

import threading
import tracemalloc
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizr.outcomes import Facts
from optimizr.twins import Twin, Twins


def twin(number: int) -> Twin:
    key = f"2024/holidays/picture {number:06}.jpg".encode()
    facts = Facts(
        format="jpeg",
        width=4000 + number,
        height=3000 + number,
        frames=None,
        mode="lossy",
        quality=80.5 + number,
        effort=4,
        psnr_db=41.25 + number,
        look=71.5 + number,
        encodes=3,
        why=None,
        animation_dropped=None,
        low_memory=None,
        output_bytes=10**6 + number,
    )
    return Twin(key, key + b".webp", f"1234567-17000000000000{number:05}", facts)


@given(st.lists(st.integers(0, 30), max_size=200), st.integers(0, 12))
def test_what_is_remembered_is_bounded_and_each_is_encoded_once_while_it_is(
    asked: list[int], room: int
) -> None:
    twins = Twins(room * twin(0).memory)
    remembered: list[int] = []
    for number in asked:
        with twins.turn(bytes([number])) as turn:
            assert (turn.twin is not None) == (number in remembered)
            turn.twin = turn.twin or twin(number)
            assert turn.twin == twin(number)
        remembered = [other for other in remembered if other != number] + [number]
        remembered = remembered[max(0, len(remembered) - room) :]
        assert len(twins) == len(remembered)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40))
def test_many_at_once_encode_each_of_equal_bytes_once(asked: list[int]) -> None:
    twins, encoded = Twins(1 << 20), Counter[int]()

    def work(number: int) -> None:
        with twins.turn(bytes([number])) as turn:
            if turn.twin is None:
                encoded[number] += 1
                turn.twin = twin(number)

    run_all([lambda number=number: work(number) for number in asked])  # type: ignore[misc]
    assert encoded == Counter(set(asked))


def run_all(calls: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_the_full_map_takes_no_more_memory_than_it_may() -> None:
    most = 8 << 20
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        twins = Twins(most)
        for number in range(20_000):
            with twins.turn(number.to_bytes(32, "big")) as turn:
                turn.twin = twin(number)
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert most // 2 < taken <= most
    assert len(twins) < 20_000


@pytest.mark.parametrize("how", ["stop", "give_up"])
def test_nobody_waits_for_what_is_stopped_or_given_up(how: str) -> None:
    twins, entered, leave = Twins(1 << 20), threading.Event(), threading.Event()

    def first() -> None:
        with twins.turn(b"digest") as turn:
            entered.set()
            leave.wait()
            turn.twin = twin(1)

    def second() -> None:
        with twins.turn(b"digest") as turn:
            assert turn.twin is None

    stuck = threading.Thread(target=first)
    stuck.start()
    entered.wait()
    waiting = threading.Thread(target=second)
    waiting.start()
    if how == "stop":
        twins.stop()
    else:
        assert stuck.ident is not None
        twins.give_up(stuck.ident)
    waiting.join()  # for ever, if it were not let go
    leave.set()
    stuck.join()
    assert len(twins) == (how == "stop")
