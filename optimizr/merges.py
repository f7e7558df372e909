"""How figures merge: associative and commutative, with None or nothing for the neutral element."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def least(a: int | None, b: int | None) -> int | None:
    """Give the smaller."""
    return b if a is None else a if b is None else min(a, b)


def most(a: int | None, b: int | None) -> int | None:
    """Give the larger."""
    return b if a is None else a if b is None else max(a, b)


def add_counts(a: Mapping[Any, int], b: Mapping[Any, int]) -> Mapping[Any, int]:
    """Add counts by name; neither of the two given is changed."""
    if not a or not b:
        return a or b
    total = dict(a)
    for key, count in b.items():
        total[key] = total.get(key, 0) + count
    return total
