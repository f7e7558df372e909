"""A trace of each picture, sent by OTLP: the only module that imports opentelemetry.

Spans are made once a picture has come to its end, from the times that were taken anyway, so
nothing of this is in a picture's way. Sending is a thread's of its own: what a collector does not
take in time is dropped, and the SDK's log says so. The provider is the run's own; the global one
belongs to whoever runs this as a library.
"""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections.abc import Sequence
from importlib import import_module
from typing import Self

from opentelemetry.context import Context
from opentelemetry.sdk.resources import (
    SERVICE_INSTANCE_ID,
    SERVICE_NAME,
    SERVICE_VERSION,
    OTELResourceDetector,
    Resource,
)
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    Link,
    Span,
    Status,
    StatusCode,
    format_span_id,
    format_trace_id,
    set_span_in_context,
)

from optimizr._version import __version__
from optimizr.errors import ConfigError, ExitCode
from optimizr.events import Event, ImageFailed, RunFinished, trace
from optimizr.stopwatch import Stopwatch
from optimizr.telemetry.spans import IMAGE, RUN, RUN_ID, attributes

_PROTOCOLS = {"grpc": "grpc", "http/protobuf": "http"}
"""The values of OTEL_EXPORTER_OTLP_PROTOCOL, and which exporter serves each."""
_DEFAULT_PROTOCOL = "grpc"
"""As in OpenTelemetry's own SDK for Python."""
_PATIENCE_SECONDS = 3.0
"""How long the end of a run waits for a collector to take the last spans."""
_GRACE_SECONDS = 1.0
"""How long an exporter may take to notice that it is to end."""

_log = logging.getLogger(__name__)


class Traces:
    """The traces of one run. `ended` is called from many threads, the rest by one."""

    def __init__(self, run_id: str, share: float) -> None:
        """Trace `share` of the pictures, from 0 to 1. Raises ConfigError.

        Where to and how is said by the OTEL_ variables.
        """
        self._run_id = run_id
        self._share = share
        self._epoch_ns = time.time_ns() - time.perf_counter_ns()
        self._is_closed = False
        try:
            self._exporter = _Exporter(_open_exporter())
            processor = BatchSpanProcessor(self._exporter)
        except (ConfigError, ImportError):
            raise
        except Exception as error:  # of any kind: whatever it does not like about the variables
            raise ConfigError(
                f"telemetry.otlp: expected OTEL_ variables that make an exporter, got: {error}"
            ) from error
        self._provider = TracerProvider(
            sampler=ALWAYS_ON, resource=_resource(run_id), shutdown_on_exit=False
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("optimizr", __version__)
        self._run = self._begin(RUN, time.perf_counter(), {})
        self.run = _ids(self._run)
        """The trace and the span of the run itself."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def ended(self, event: Event, watch: Stopwatch) -> None:
        """Make the trace of a picture that has just come to its end, if its turn is drawn.

        The event is told which it is, so it must not have been seen by others yet.
        """
        if random.random() >= self._share:  # noqa: S311 - a sample, not a secret
            return
        end = time.perf_counter()
        image = self._begin(
            IMAGE, watch.start, attributes(IMAGE, event), [Link(self._run.get_span_context())]
        )
        inside = set_span_in_context(image, Context())
        for lap in watch.laps:
            start, stop = self._ns(lap.start), self._ns(lap.end)
            self._tracer.start_span(lap.stage, context=inside, start_time=start).end(stop)
        if isinstance(event, ImageFailed):
            image.set_status(_error(f"{event.reason}: {event.message}"))
        image.end(self._ns(end))
        trace(event, *_ids(image))

    def finish(self, finished: RunFinished) -> None:
        """End the run's span and send what is left, within a few seconds."""
        self._run.set_attributes(attributes(RUN, finished))
        if finished.exit_code in (ExitCode.FAILURES, ExitCode.ENVIRONMENT):
            self._run.set_status(_error(finished.message or "more pictures failed than allowed"))
        self._close()

    def _begin(
        self, name: str, start: float, more: dict[str, str | int], links: Sequence[Link] = ()
    ) -> Span:
        """Begin a trace, whatever span its caller may be in."""
        return self._tracer.start_span(
            name,
            context=Context(),
            attributes={RUN_ID: self._run_id, **more},
            links=links,
            start_time=self._ns(start),
        )

    def _ns(self, seconds: float) -> int:
        """Turn a time of `time.perf_counter` into nanoseconds since 1970."""
        return self._epoch_ns + round(seconds * 1e9)

    def _close(self) -> None:
        """Send what is left, for as long as patience lasts. The SDK itself would wait for 30 s."""
        if self._is_closed:
            return
        self._is_closed = True
        self._run.end(self._ns(time.perf_counter()))
        closing = threading.Thread(target=self._provider.shutdown, name="otlp-end", daemon=True)
        closing.start()
        closing.join(_PATIENCE_SECONDS)
        if closing.is_alive():
            _log.warning(
                "expected a collector to take the last spans within %d s, got no answer; "
                "they are dropped",
                _PATIENCE_SECONDS,
            )
            self._exporter.shutdown()  # wakes it where it waits to try once more
            closing.join(_GRACE_SECONDS)


class _Exporter(SpanExporter):
    """An exporter that may be told to end while it is at work, and again later."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._has_ended = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.FAILURE if self._has_ended else self._exporter.export(spans)

    def shutdown(self) -> None:
        if not self._has_ended:
            self._has_ended = True
            self._exporter.shutdown()


def _open_exporter() -> SpanExporter:
    variable = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
    if not os.environ.get(variable):
        variable = "OTEL_EXPORTER_OTLP_PROTOCOL"
    protocol = os.environ.get(variable, "").strip() or _DEFAULT_PROTOCOL
    if protocol not in _PROTOCOLS:
        raise ConfigError(
            f"{variable}: expected {' or '.join(_PROTOCOLS)}, got {protocol!r}; name one of these"
        )
    package = f"opentelemetry.exporter.otlp.proto.{_PROTOCOLS[protocol]}.trace_exporter"
    exporter: SpanExporter = import_module(package).OTLPSpanExporter()
    return exporter


def _resource(run_id: str) -> Resource:
    """Say who we are, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES say otherwise."""
    ours = {
        SERVICE_NAME: "optimizr",
        SERVICE_VERSION: __version__,
        SERVICE_INSTANCE_ID: run_id,
    }
    return Resource.create(ours).merge(OTELResourceDetector().detect())


def _ids(span: Span) -> tuple[str, str]:
    context = span.get_span_context()
    return format_trace_id(context.trace_id), format_span_id(context.span_id)


def _error(text: str) -> Status:
    """Say what went wrong; a name in it may be none that UTF-8 can hold."""
    return Status(StatusCode.ERROR, text.encode(errors="backslashreplace").decode())
