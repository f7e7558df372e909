"""What a run tells to machines that watch it: metrics, and whether it is alive and ready.

Each part is imported only if its setting is on, and before the run's memory is shared out, so that
what it takes itself is counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from optimizr.config import Settings
from optimizr.live import Live
from optimizr.store import Store


@contextmanager
def watched(settings: Settings, live: Live, source: Store, output: Store) -> Iterator[None]:
    """Serve `/metrics`, `/health` and `/ready` for the length of a `with`, as far as is asked for.

    And leave the metrics at its end. Raises ConfigError if `telemetry.http` cannot be had; what
    cannot be left is a warning.
    """
    asked = settings.telemetry
    if not (asked.http or asked.textfile or asked.pushgateway):
        yield
        return
    from optimizr.telemetry import leave
    from optimizr.telemetry.collector import registry

    metrics = registry(live, settings.shard.name)
    with ExitStack() as stack:
        if asked.http:
            from optimizr.telemetry import serve

            stack.enter_context(serve.serving(settings, live, metrics, source, output))
        stack.callback(leave.at_end, settings, live, metrics)
        yield
