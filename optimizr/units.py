"""Sizes, durations and counts as people write them in settings and read them in reports."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ByteSize, PlainSerializer, WithJsonSchema

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[smhd]))+", re.ASCII)
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhd])", re.ASCII)
_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_LONGEST = 3650 * 86400
_SIZE = re.compile(r"\d+(?:\.\d+)?\s*(?:[kmgtp]?b?|[kmgtp]ib?)", re.ASCII | re.IGNORECASE)


def _parse_size(value: Any) -> str:
    """Add to pydantic's ByteSize the binary suffixes of Kubernetes: `512Mi` is 512 MiB."""
    text = str(value).strip()
    if not _SIZE.fullmatch(text):
        raise ValueError("a size such as 512MB (10^6 bytes) or 512MiB (2^20 bytes)")
    return text + "B" if text[-1] in "iI" else text


def _parse_duration(value: Any) -> timedelta:
    """Read `30s`, `5m`, `1h30m` or a plain number of seconds."""
    if isinstance(value, timedelta):
        return value
    text = str(value).strip()
    parts = _DURATION_PART.findall(text) if _DURATION.fullmatch(text) else []
    if _NUMBER.fullmatch(text):
        parts = [(text, "s")]
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if not parts or seconds > _LONGEST:
        raise ValueError("a duration such as 30s, 5m or 1h30m, of at most 10 years")
    return timedelta(seconds=seconds)


Size = Annotated[
    ByteSize,
    BeforeValidator(_parse_size),
    PlainSerializer(int, return_type=int),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0},
                {
                    "type": "string",
                    "pattern": r"^\d+(\.\d+)?\s*([kKmMgGtTpP]?[bB]?|[kKmMgGtTpP]i[bB]?)$",
                },
            ]
        }
    ),
]
"""Bytes: a number, `512MB` (10^6), `512MiB` or `512Mi` (2^20)."""

Duration = Annotated[
    timedelta,
    BeforeValidator(_parse_duration),
    PlainSerializer(lambda duration: format_seconds(duration.total_seconds()), return_type=str),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0},
                {"type": "string", "pattern": r"^(\d+|(\d+(\.\d+)?(ms|[smhd]))+)$"},
            ]
        }
    ),
]
"""A time: `30s`, `5m`, `1h30m`, or a number of seconds."""


_PERCENTAGE = re.compile(r"(100(\.0+)?|\d{1,2}(\.\d+)?)%", re.ASCII)


def _check_max_failed(value: int | str) -> int | str:
    text = str(value).strip()
    if text.isdecimal():
        return int(text)
    if not _PERCENTAGE.fullmatch(text):
        raise ValueError("a count of 0 or more, or a percentage such as 1%")
    return text


MaxFailed = Annotated[
    int | str,
    AfterValidator(_check_max_failed),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0},
                {"type": "string", "pattern": f"^(\\d+|{_PERCENTAGE.pattern})$"},
            ]
        }
    ),
]
"""A count, or a percentage such as `1%`."""


def format_size(count: float) -> str:
    """Write bytes for people, in powers of ten: 1536000 is `1.5 MB`."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(size) < 999.5 or unit == "TB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "B" or abs(size) >= 99.95 else f"{size:.1f} {unit}"


def format_seconds(seconds: float) -> str:
    """Write a duration for people, as `_parse_duration` reads it: 205 is `3m25s`."""
    if seconds < 60:
        return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}h" if hours else ""
    text += f"{minutes}m" if minutes or (hours and rest) else ""
    return text + (f"{rest}s" if rest else "")
