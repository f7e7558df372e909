"""What all events share, and how they get their place in a run."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What all events share: whose it is, its place in the run's order, and when it happened."""

    name: ClassVar[str]
    level: ClassVar[str] = "info"

    run_id: str = ""
    seq: int = 0
    timestamp: datetime = _EPOCH
    trace_id: str | None = None
    """Of the OpenTelemetry trace that tells of the same; null without `telemetry.otlp`."""
    span_id: str | None = None
    """Of the span in it."""


def stamp(event: Event, run_id: str, seq: int, timestamp: datetime) -> Event:
    """Give an event its place in a run, before anybody but its maker has seen it.

    In place: `dataclasses.replace` takes longer than all else that is done to fold an event.
    """
    object.__setattr__(event, "run_id", run_id)
    object.__setattr__(event, "seq", seq)
    object.__setattr__(event, "timestamp", timestamp)
    return event


def trace(event: Event, trace_id: str, span_id: str) -> None:
    """Name the span that tells of the same. In place, as `stamp`."""
    object.__setattr__(event, "trace_id", trace_id)
    object.__setattr__(event, "span_id", span_id)


def locate(event: Event, url: str) -> None:
    """Say where an image's output is served. In place, as `stamp`."""
    object.__setattr__(event, "output_url", url)


def new_run_id() -> str:
    """Name a run by its start in UTC, and six hex digits in case two start together."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def milliseconds(seconds: float) -> float:
    """Round to whole microseconds, in milliseconds."""
    return round(seconds * 1000, 3)


def microseconds(ms: float) -> int:
    """Give back the whole microseconds of what `milliseconds` made."""
    return round(ms * 1000)
