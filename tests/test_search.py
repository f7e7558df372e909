from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizr.convert.search import LOOK, SIZE, Curve, Window, approach

FACTOR = st.floats(0.02, 50)
BEND = st.floats(0.5, 2)


def like(curve: Curve, bend: float, shift: float) -> Callable[[float], float]:
    """Make a picture whose height runs like the curve, but for its slope and where it begins."""
    return lambda quality: bend * curve.height(quality) + shift


def tried(
    measure: Callable[[float], float],
    curve: Curve,
    window: Window,
    first: float = 75,
    least: float = 0,
    step: float = 0.1,
) -> dict[float, float]:
    points: dict[float, float] = {}

    def measured(quality: float) -> float:
        assert quality not in points
        points[quality] = measure(quality)
        return points[quality]

    assert approach(measured, curve, window, first, least, step) == points
    return points


@given(factor=FACTOR, bend=BEND, cap=st.floats(1e3, 1e6))
def test_a_size_within_a_tenth_of_the_cap_is_found_wherever_there_is_one(
    factor: float, bend: float, cap: float
) -> None:
    height = like(SIZE, bend, math.log(1e5 * factor))

    def size(quality: float) -> float:
        return math.exp(height(quality))

    points = tried(size, SIZE, Window(0.9 * cap, 0.95 * cap, cap))
    if size(0) > cap:
        assert min(points) == 0
    elif size(100) < 0.9 * cap:
        assert max(points) == 100
    else:
        near = [value for value in points.values() if 0.9 * cap <= value <= cap]
        steepest = max(size(q / 10 + 0.1) / size(q / 10) for q in range(1000))
        assert near or steepest > 1.05
    assert len(points) <= 8


@given(bend=BEND, shift=st.floats(-2, 2), least=st.floats(20, 95))
def test_the_lowest_quality_that_holds_a_look_is_found_to_within_the_window(
    bend: float, shift: float, least: float
) -> None:
    height = like(LOOK, bend, LOOK.of(70) + shift)

    def look(quality: float) -> float:
        return 100 - math.exp(-height(quality))

    points = tried(look, LOOK, Window(least, least + 0.8, least + 2))
    if look(100) >= least >= look(0):
        assert any(least <= value for value in points.values())
    elif look(100) < least:
        assert max(points) == 100
    elif look(0) <= least + 2:
        assert any(least <= value <= least + 2 for value in points.values())
    else:
        assert min(points) == 0


@given(values=st.lists(st.floats(0.1, 99.9), min_size=101, max_size=101), first=st.integers(0, 100))
def test_a_picture_like_no_other_ends_the_search_too(values: list[float], first: int) -> None:
    points = tried(lambda q: values[int(q)], LOOK, Window(50, 51, 52), first=first)
    assert 1 <= len(points) <= 8


@given(least=st.integers(0, 100), first=st.floats(0, 100), step=st.sampled_from([0.1, 1.0]))
def test_no_quality_below_the_least_is_tried_nor_between_two_steps(
    least: int, first: float, step: float
) -> None:
    points = tried(lambda q: 1e9 + q, SIZE, Window(90, 95, 100), first, least, step)
    assert min(points) == least
    assert all(least <= q <= 100 and round(q / step, 6).is_integer() for q in points)


@pytest.mark.parametrize("curve", [SIZE, LOOK])
def test_height_and_quality_are_each_others_inverse(curve: Curve) -> None:
    for quality in range(101):
        assert curve.quality(curve.height(quality)) == pytest.approx(quality, abs=1e-6)
    assert curve.quality(-99) == 0
    assert curve.quality(99) == 100
