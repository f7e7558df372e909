"""An event as one flat JSON object, and back.

The envelope comes first (`timestamp`, `level`, `event`, `run_id`, `seq`, `schema`), then the
event's own fields.
"""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

from pydantic import TypeAdapter

from optimizr.events import EVENTS, SCHEMA, Event

_ENVELOPE = {f.name for f in dataclasses.fields(Event)}
_BODY = {
    name: tuple(f.name for f in dataclasses.fields(cls) if f.name not in _ENVELOPE)
    for name, cls in EVENTS.items()
}


def to_record(event: Event) -> dict[str, Any]:
    """Make the flat JSON object of an event, envelope first; null fields are left out."""
    record: dict[str, Any] = {
        "timestamp": format_timestamp(event.timestamp),
        "level": event.level,
        "event": event.name,
        "run_id": event.run_id,
        "seq": event.seq,
        "schema": SCHEMA,
    }
    if event.shard is not None:
        record["shard"] = event.shard
    if event.attempt_id is not None:
        record["attempt_id"] = event.attempt_id
    if event.trace_id is not None:
        record["trace_id"] = event.trace_id
        record["span_id"] = event.span_id
    for name in _BODY[event.name]:
        value = getattr(event, name)
        if value is not None:
            record[name] = value
    return record


def from_record(record: dict[str, Any]) -> Event | None:
    """Read an event back; None for an event that this version does not know.

    Fields that this version does not know are passed over. Raises pydantic.ValidationError (a
    ValueError) for a record that lacks a field or has one of the wrong kind.
    """
    name = record.get("event")
    if not isinstance(name, str) or name not in EVENTS:
        return None
    return _adapter(name).validate_python(record)


@cache
def _adapter(name: str) -> TypeAdapter[Event]:
    return TypeAdapter(EVENTS[name])


@lru_cache(maxsize=1)  # events that are told together have one
def format_timestamp(moment: datetime) -> str:
    """Write a time as RFC 3339 in UTC with microseconds, the `Z` included."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
