"""The LogQL of docs/observability.md: each query finds the line that is shown, and no other."""

from __future__ import annotations

import dataclasses
import json

import pytest

from docs.generate import ROOT
from docs.lines import examples
from docs.queries import LABELS, QUERIES, Query
from optimizr.events import EVENTS
from optimizr.records import from_record
from tests import logql

LINES = examples()
queries = pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.title)


def stream(line: str) -> dict[str, str]:
    """Give the labels that a line has in Loki."""
    level = json.loads(line)["level"]
    return {"app": "optimizr", "level": level, "namespace": "media", "job_name": "nightly"}


def found(query: str) -> list[str]:
    """List the events whose lines a query finds."""
    parsed = logql.parse(query)
    return [name for name, line in LINES.items() if parsed.finds(line, stream(line))]


@queries
def test_a_query_finds_its_line_and_no_other(query: Query) -> None:
    assert found(query.logql) == [query.event]


@queries
def test_a_query_reads_fields_of_its_event_and_labels_of_the_streams(query: Query) -> None:
    known = {field.name for field in dataclasses.fields(EVENTS[query.event])} | {"event"}
    parsed = logql.parse(query.logql)
    assert parsed.grouped <= known
    for selection in parsed.selections:
        assert selection.fields <= known
        assert {name for name, _, _ in selection.matchers} <= set(LABELS)


@queries
def test_the_page_shows_each_query_beside_its_line(query: Query) -> None:
    page = (ROOT / "docs/observability.md").read_text()
    part = page[page.index(f"### {query.title}\n") :]
    assert query.logql.strip() in part
    assert LINES[query.event] in part


def test_lines_are_those_of_events_as_they_are() -> None:
    for name, line in LINES.items():
        event = from_record(json.loads(line))
        assert event is not None
        assert event.name == name


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ('level="error"', 'level="info"'),
        ('app="optimizr"', 'application="optimizr"'),
        ('`"image.failed"`', '`"image.fail"`'),
        ("event = `image.failed`", "event = `image.converted`"),
        ("event =", "name ="),
        ("event =", "event !="),
    ],
)
def test_a_query_that_is_wrong_finds_nothing(good: str, bad: str) -> None:
    right = QUERIES[0].logql
    assert good in right
    assert found(right.replace(good, bad)) == []


def test_a_bound_is_a_number() -> None:
    slow = next(query.logql for query in QUERIES if query.title == "Slowest pictures")
    assert found(slow.replace("> 1000", "> 1924.4")) == []
    assert found(slow.replace("> 1000", "> 1924.3")) == ["image.converted"]


@pytest.mark.parametrize("query", ['{app~"x"}', "{app=", '{app="x"} | json | duration 3', "?"])
def test_what_is_no_logql_is_refused(query: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        logql.parse(query)
