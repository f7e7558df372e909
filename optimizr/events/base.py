"""What all events share, and how they get their place in a run."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar, NamedTuple

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Identity(NamedTuple):
    """Whose events are whose: three names that tell one process's from all others'."""

    run_id: str
    shard: str | None = None
    """As `3-of-10`; None of a run that is not shared out."""
    attempt_id: str | None = None
    """Of one process, where shards, or attempts at one, share the `run_id`; they sort by time."""

    @property
    def process(self) -> str:
        """What no other process is called."""
        return self.attempt_id or self.run_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What all events share: whose it is, its place in the run's order, and when it happened."""

    name: ClassVar[str]
    level: ClassVar[str] = "info"

    run_id: str = ""
    seq: int = 0
    timestamp: datetime = _EPOCH
    shard: str | None = None
    """Whose it is of the shards of a run, as `3-of-10`; null with `shard.count` 1."""
    attempt_id: str | None = None
    """Which process it is of, where `run_id` is set and so may be shared; null otherwise."""
    trace_id: str | None = None
    """Of the OpenTelemetry trace that tells of the same; null without `telemetry.otlp`."""
    span_id: str | None = None
    """Of the span in it."""


def stamp(event: Event, identity: Identity, seq: int, timestamp: datetime) -> Event:
    """Give an event its place in a run, before anybody but its maker has seen it.

    In place: `dataclasses.replace` takes longer than all else that is done to fold an event.
    """
    object.__setattr__(event, "run_id", identity.run_id)
    object.__setattr__(event, "shard", identity.shard)
    object.__setattr__(event, "attempt_id", identity.attempt_id)
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
