"""What a run tells to those who watch it: metrics, whether it is alive and ready, and traces.

Each part is imported only if its setting is on, and before the run's memory is shared out, so that
what it takes itself is counted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Protocol

from optimizr.config import Settings
from optimizr.errors import ConfigError
from optimizr.events import Event, Identity, RunFinished
from optimizr.live import Live
from optimizr.stopwatch import Stopwatch
from optimizr.store import Store
from optimizr.telemetry.probes import Reached


class Tracing(Protocol):
    """Who makes traces of a run."""

    @property
    def run(self) -> tuple[str, str] | None:
        """Give the trace and the span of the run itself, if there are any."""

    def ended(self, event: Event, watch: Stopwatch) -> None:
        """Make the trace of a picture that has just come to its end; from any thread."""

    def finish(self, finished: RunFinished) -> None:
        """End the run's trace."""


class Untraced:
    """Nobody makes traces."""

    run = None

    def ended(self, event: Event, watch: Stopwatch) -> None:
        """Make none."""

    def finish(self, finished: RunFinished) -> None:
        """End none."""


@contextmanager
def watched(settings: Settings, live: Live, source: Reached, output: Store) -> Iterator[Tracing]:
    """Serve, trace, and leave metrics at the end of a `with`, as far as is asked for.

    Raises ConfigError if `telemetry.http` cannot be had, or if traces cannot be made; what cannot
    be left at the end is a warning.
    """
    with ExitStack() as stack:
        _measure(settings, live, source, output, stack)
        yield _trace(settings, live.identity, stack)


def _measure(
    settings: Settings, live: Live, source: Reached, output: Store, stack: ExitStack
) -> None:
    asked = settings.telemetry
    if not (asked.http or asked.textfile or asked.pushgateway):
        return
    from optimizr.telemetry import leave
    from optimizr.telemetry.collector import registry

    metrics = registry(live, settings.shard.name)
    if asked.http:
        from optimizr.telemetry import serve

        stack.enter_context(serve.serving(settings, live, metrics, source, output))
    stack.callback(leave.at_end, settings, live, metrics)


def _trace(settings: Settings, identity: Identity, stack: ExitStack) -> Tracing:
    is_disabled = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if not settings.telemetry.otlp or is_disabled:
        return Untraced()
    try:
        from optimizr.telemetry.traces import Traces

        return stack.enter_context(Traces(identity, settings.telemetry.trace_sample))
    except ImportError as error:
        raise ConfigError(
            f"telemetry.otlp: expected OpenTelemetry to load, got: {error}; "
            "pip install 'optimizr[otel]'"
        ) from None
