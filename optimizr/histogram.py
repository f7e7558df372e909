"""A histogram of fixed logarithmic buckets: percentiles within 1%, mergeable, bounded in size.

The buckets are those of DDSketch (Masson, Rim and Lee, "DDSketch: a fast and fully-mergeable
quantile sketch with relative-error guarantees", VLDB 2019): bucket i holds the values v with
gamma^(i-1) < v <= gamma^i, where gamma = (1 + a) / (1 - a) for a relative error of a. Since the
buckets are fixed beforehand, merging two histograms is adding their counts, in any order. From a
microsecond to a week there are 1,357 of them, and only those in use are kept.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

RELATIVE_ERROR = 0.01
_GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_LOG_GAMMA = math.log(_GAMMA)


def bucket(value: int) -> int:
    """Give the bucket of a value; 0 and below go to the first."""
    return math.ceil(math.log(value) / _LOG_GAMMA) if value > 1 else 0


def percentile(counts: Mapping[int, int], percent: float) -> float:
    """Give the value below which `percent` (0 to 100) of the values lie; 0 for no values.

    The nearest-rank definition, answered with the middle of the rank's bucket.
    """
    index = nearest_rank(counts, percent)
    return 0.0 if index is None else value_of(index)


def nearest_rank(counts: Mapping[int, int], percent: float) -> int | None:
    """Give the bucket, of any kind that rises with its values, of a percentile; None for none."""
    rank = max(1, math.ceil(sum(counts.values()) * percent / 100))
    seen = 0
    for index in sorted(counts):
        seen += counts[index]
        if seen >= rank:
            return index
    return None


def value_of(index: int) -> float:
    """Give the middle of a bucket: within 1% of each value in it."""
    return 2 * math.pow(_GAMMA, index) / (_GAMMA + 1)
