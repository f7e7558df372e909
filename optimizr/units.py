"""Sizes and durations as people write them, for settings; and as people read them, for reports."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, ByteSize, PlainSerializer, WithJsonSchema

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[smhd]))+", re.ASCII)
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhd])", re.ASCII)
_SIZE = re.compile(r"\d+(?:\.\d+)?\s*(?:[kmgtp]?b?|[kmgtp]ib?)", re.ASCII | re.IGNORECASE)


def _parse_size(value: Any) -> Any:
    """Add to pydantic's ByteSize the binary suffixes of Kubernetes: `512Mi` is 512 MiB."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if not _SIZE.fullmatch(text):
        raise ValueError("a size such as 512MB (10^6 bytes) or 512MiB (2^20 bytes)")
    return text + "B" if text[-1] in "iI" else text


def _parse_duration(value: Any) -> Any:
    """Read `30s`, `5m`, `1h30m` or a plain number of seconds."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return timedelta(seconds=value)
    if isinstance(value, str):
        text = value.strip()
        if text.isdecimal():
            return timedelta(seconds=int(text))
        if not _DURATION.fullmatch(text):
            raise ValueError("a duration such as 30s, 5m or 1h30m")
        parts = _DURATION_PART.findall(text)
        return timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in parts))
    return value


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
