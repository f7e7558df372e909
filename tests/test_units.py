from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from optimizr.units import Duration, Size, format_seconds, format_size

SIZE = TypeAdapter[int](Size)
DURATION = TypeAdapter[timedelta](Duration)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("512MB", 512_000_000),
        ("512MiB", 512 << 20),
        ("512Mi", 512 << 20),
        ("1.5Gi", 3 << 29),
        ("2G", 2_000_000_000),
        ("100", 100),
        (100, 100),
        ("0", 0),
    ],
)
def test_sizes_read_as_people_and_kubernetes_write_them(text: str | int, count: int) -> None:
    assert SIZE.validate_python(text) == count


@pytest.mark.parametrize("text", ["", "MB", "-1MB", "12 parsecs", "1,5GB", "512Mbit", None])
def test_what_is_no_size_is_refused(text: str | None) -> None:
    with pytest.raises(ValidationError):
        SIZE.validate_python(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("5m", 300),
        ("1h30m", 5400),
        ("250ms", 0.25),
        ("7d", 604800),
        ("20", 20),
        (2, 2),
    ],
)
def test_durations_read_as_people_write_them(text: str | int, seconds: float) -> None:
    assert DURATION.validate_python(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "s", "5 minutes", "-3s", "1y", None])
def test_what_is_no_duration_is_refused(text: str | None) -> None:
    with pytest.raises(ValidationError):
        DURATION.validate_python(text)


@given(st.integers(0, 10**7))
def test_a_duration_of_whole_seconds_survives_being_written(seconds: int) -> None:
    assert DURATION.validate_python(format_seconds(seconds)) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1536, "1.5 kB"), (1_536_000, "1.5 MB"), (123_456_789, "123 MB"),
     (-2_000_000, "-2.0 MB"), (5e15, "5000 TB")],
)  # fmt: skip
def test_sizes_are_written_with_two_or_three_digits(count: float, text: str) -> None:
    assert format_size(count) == text
