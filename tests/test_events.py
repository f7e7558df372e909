from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from optimizr.events import (
    EVENTS,
    SCHEMA,
    Event,
    microseconds,
    milliseconds,
)
from optimizr.records import from_record, to_record
from tests.strategies import runs


@given(runs())
def test_every_event_survives_its_json_line(log: list[Event]) -> None:
    for event in log:
        assert from_record(json.loads(json.dumps(to_record(event)))) == event


@given(runs())
def test_the_envelope_comes_first_and_image_events_are_flat(log: list[Event]) -> None:
    for event in log:
        record = to_record(event)
        envelope = ["timestamp", "level", "event", "run_id", "seq", "schema"]
        assert list(record)[:6] == envelope
        assert record["schema"] == SCHEMA
        assert record["timestamp"].endswith("Z")
        if event.name.startswith("image."):
            assert not any(isinstance(value, dict | list) for value in record.values())


def test_the_names_are_those_of_the_contract() -> None:
    assert set(EVENTS) >= {
        "run.started",
        "image.converted",
        "image.skipped",
        "image.failed",
        "run.sampled",
        "run.progress",
        "run.finished",
    }


@given(st.integers(0, 10**12))
def test_durations_are_whole_microseconds(us: int) -> None:
    assert microseconds(milliseconds(us / 1e6)) == us


@given(runs())
def test_what_a_newer_version_adds_is_passed_over(log: list[Event]) -> None:
    record = to_record(log[0])
    assert from_record({**record, "added_later": 1}) == log[0]
    assert from_record({**record, "event": "added.later"}) is None


@given(runs())
def test_a_record_that_lacks_a_field_is_refused(log: list[Event]) -> None:
    record = to_record(log[0])
    del record["workers"]
    with pytest.raises(ValidationError):
        from_record(record)
