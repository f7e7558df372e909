"""What a figure of `summary.json` is, and how counts are put into one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from optimizr.summary import Summary


class Figure(NamedTuple):
    """One line of `summary.json`."""

    name: str
    meaning: str
    of: Callable[[Summary], Any]


def ratio(part: float, whole: float, digits: int = 3) -> float:
    """Divide and round; 0 of nothing."""
    return round(part / whole, digits) if whole else 0.0


def by_count(counts: Mapping[str, int]) -> dict[str, int]:
    """Give the largest first."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
