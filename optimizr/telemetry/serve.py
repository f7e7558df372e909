"""`/metrics`, `/health` and `/ready` of a run, and the count of its pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from optimizr import counting
from optimizr.config import Settings
from optimizr.live import Live
from optimizr.store import Store
from optimizr.telemetry.http import Reply, listening
from optimizr.telemetry.probes import Answer, Reached, Readiness, health


@contextmanager
def serving(
    settings: Settings, live: Live, metrics: CollectorRegistry, source: Reached, output: Store
) -> Iterator[None]:
    """Serve at `telemetry.http` for the length of a `with`. Raises ConfigError if it cannot."""
    stall_seconds = settings.telemetry.stall_after.total_seconds()
    ready = Readiness(live, source, output)
    routes = {
        "/metrics": lambda accept: _metrics(metrics, accept),
        "/health": lambda _: _probe(health(live, stall_seconds)),
        "/ready": lambda _: _probe(ready()),
    }
    with listening(settings.telemetry.http or "", routes):
        counting.begin(settings, live)
        yield


def _metrics(metrics: CollectorRegistry, accept: str) -> Reply:
    try:
        encode, content_type = choose_encoder(accept)
    except (TypeError, ValueError):  # a version that is no number
        encode, content_type = choose_encoder("")
    return Reply(HTTPStatus.OK, content_type, encode(metrics))


def _probe(answer: Answer) -> Reply:
    status = HTTPStatus.OK if answer.ok else HTTPStatus.SERVICE_UNAVAILABLE
    return Reply(status, "application/json", json.dumps(answer.body).encode() + b"\n")
