"""How figures merge: associative and commutative, with None or nothing for the neutral element."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T", bound=tuple[Any, ...])

EXAMPLES = 3
"""Failures that are kept of each reason."""


class Totals(NamedTuple):
    """Of the pictures of one format that were converted."""

    files: int
    input_bytes: int
    output_bytes: int


class Entry(NamedTuple):
    """A picture in a list of the most remarkable ones, which is sorted by all of it."""

    rank: int
    """The most remarkable comes first: bytes saved or lost, negative; or hundredths of a point of
    the look, or of a decibel of the PSNR."""
    key: str
    format: str
    """Empty where the event does not tell."""
    input_bytes: int
    output_bytes: int


class Example(NamedTuple):
    """A picture that failed, and what was said of it."""

    key: str
    message: str


def least(a: int | None, b: int | None) -> int | None:
    """Give the smaller."""
    return b if a is None else a if b is None else min(a, b)


def most(a: int | None, b: int | None) -> int | None:
    """Give the larger."""
    return b if a is None else a if b is None else max(a, b)


def union(a: tuple[str, ...], b: tuple[str, ...]) -> tuple[str, ...]:
    """Give the names that are in either, each once, in order."""
    return tuple(sorted({*a, *b})) if a and b else a or b


def add_counts(a: Mapping[Any, int], b: Mapping[Any, int]) -> Mapping[Any, int]:
    """Add counts by name; neither of the two given is changed."""
    if not a or not b:
        return a or b
    total = dict(a)
    for key, count in b.items():
        total[key] = total.get(key, 0) + count
    return total


def add_totals(a: Mapping[str, Totals], b: Mapping[str, Totals]) -> Mapping[str, Totals]:
    """Add totals by name."""
    if not a or not b:
        return a or b
    total = dict(a)
    for name, more in b.items():
        before = total.get(name)
        total[name] = more if before is None else Totals(*map(sum, zip(before, more, strict=True)))
    return total


def first(count: int) -> Callable[[tuple[T, ...], tuple[T, ...]], tuple[T, ...]]:
    """Make the merge of sorted tuples that keeps the first `count` of both, each once."""

    def merge(a: tuple[T, ...], b: tuple[T, ...]) -> tuple[T, ...]:
        if not a or not b:
            return a or b
        if len(a) == count and a[-1] < b[0]:
            return a  # as it is with most of millions of pictures
        return tuple(sorted({*a, *b})[:count])

    return merge


_first_examples = first(EXAMPLES)


def add_examples(
    a: Mapping[str, tuple[Example, ...]], b: Mapping[str, tuple[Example, ...]]
) -> Mapping[str, tuple[Example, ...]]:
    """Keep the first few of each reason, by key."""
    if not a or not b:
        return a or b
    kept = dict(a)
    for reason, examples in b.items():
        kept[reason] = _first_examples(kept.get(reason, ()), examples)
    return kept
