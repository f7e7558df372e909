from __future__ import annotations

import math
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from optimizr.histogram import RELATIVE_ERROR, bucket, percentile

VALUES = st.lists(st.integers(1, 10**12), min_size=1, max_size=200)


@given(VALUES, st.floats(0, 100))
def test_a_percentile_is_within_one_percent_of_the_exact_one(
    values: list[int], percent: float
) -> None:
    counts = Counter(map(bucket, values))
    rank = max(1, math.ceil(len(values) * percent / 100))
    exact = sorted(values)[rank - 1]
    assert abs(percentile(counts, percent) - exact) <= exact * RELATIVE_ERROR * 1.0001


@given(st.integers(1, 10**12), st.integers(1, 10**12))
def test_buckets_keep_the_order_of_values(a: int, b: int) -> None:
    assert (bucket(a) <= bucket(b)) == (a <= b) or bucket(a) == bucket(b)


def test_no_values_give_zero_and_a_week_has_few_buckets() -> None:
    assert percentile({}, 50) == 0
    assert bucket(0) == bucket(1) == 0
    assert bucket(7 * 86400 * 10**6) < 1400
