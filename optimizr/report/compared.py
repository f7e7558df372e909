"""What came of pictures that were compared: plain data, of bounded size."""

from __future__ import annotations

from bisect import insort
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from optimizr.measures import tenths

KEPT = 48
"""The worst pairs, and of all else that is listed the first."""


class Row(NamedTuple):
    """A pair that was compared; sorted by its look."""

    look: float
    """SSIMULACRA2, 100 is the same."""
    key: str
    other: str
    """The second one's key."""
    first_bytes: int
    second_bytes: int
    width: int
    """Pixels of what was compared."""
    height: int
    is_fitted: bool
    """The first was made smaller, as the second is."""


class Problem(NamedTuple):
    """A pair that could not be compared."""

    key: str
    message: str


@dataclass
class Counted:
    """How many there are, and some of them."""

    count: int = 0
    some: list[Problem | str] = field(default_factory=list)

    def add(self, one: Problem | str) -> None:
        """Count one more."""
        self.count += 1
        if len(self.some) < KEPT:
            self.some.append(one)


@dataclass
class Comparison:
    """What came of all pairs."""

    pairs: int = 0
    first_bytes: int = 0
    second_bytes: int = 0
    looks: Counter[int] = field(default_factory=Counter)
    """Pairs by tenths, see `measures.tenths`."""
    worst: list[Row] = field(default_factory=list)
    problems: Counted = field(default_factory=Counted)
    only_first: Counted = field(default_factory=Counted)
    """Pictures that have no partner."""
    only_second: Counted = field(default_factory=Counted)

    def add(self, result: Row | Problem) -> None:
        """Take the result of one pair."""
        if isinstance(result, Problem):
            self.problems.add(result)
            return
        self.pairs += 1
        self.first_bytes += result.first_bytes
        self.second_bytes += result.second_bytes
        self.looks[tenths(round(100 * result.look))] += 1
        insort(self.worst, result)
        del self.worst[KEPT:]


class Shown(NamedTuple):
    """The place where the pictures of a pair differ most, as WebPs."""

    row: Row
    first: bytes
    second: bytes
    difference: bytes
    """What differs, amplified."""
    width: int
    """Pixels."""
    height: int
