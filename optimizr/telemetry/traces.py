"""A trace of each picture, sent by OTLP: the only module that imports opentelemetry.

Spans are made once a picture has come to its end, from the times that were taken anyway, so
nothing of this is in a picture's way. Sending is a thread's of its own: what a collector does not
take in time is dropped, and the SDK's log says so. No tracer provider is used or set: the global
one belongs to whoever runs this as a library.
"""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Self

from opentelemetry.sdk.resources import (
    SERVICE_INSTANCE_ID,
    SERVICE_NAME,
    SERVICE_VERSION,
    OTELResourceDetector,
    Resource,
)
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
    format_span_id,
    format_trace_id,
)

from optimizr._version import __version__
from optimizr.errors import ConfigError, ExitCode
from optimizr.events import Event, Identity, ImageFailed, RunFinished, trace
from optimizr.redaction import exporter_secrets, scrub
from optimizr.stopwatch import Stopwatch
from optimizr.telemetry.spans import IMAGE, RUN, RUN_ID, STAGES, attributes

_PROTOCOLS = {"grpc": "grpc", "http/protobuf": "http"}
"""The values of OTEL_EXPORTER_OTLP_PROTOCOL, and which exporter serves each."""
_DEFAULT_PROTOCOL = "grpc"
"""As in OpenTelemetry's own SDK for Python."""
_PATIENCE_SECONDS = 3.0
"""How long the end of a run waits for a collector to take the last spans."""
_GRACE_SECONDS = 1.0
"""How long an exporter may take to notice that it is to end."""

_IDS = RandomIdGenerator()
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_SCOPE = InstrumentationScope("optimizr", __version__)

_log = logging.getLogger(__name__)


class Traces:
    """The traces of one run. `ended` is called from many threads, the rest by one."""

    def __init__(self, identity: Identity, share: float) -> None:
        """Trace `share` of the pictures, from 0 to 1. Raises ConfigError.

        Where to and how is said by the OTEL_ variables.
        """
        self._run_id = identity.run_id
        self._share = share
        self._epoch_ns = time.time_ns() - time.perf_counter_ns()
        self._is_closed = False
        try:
            self._exporter = _Exporter(_open_exporter())
            processor = BatchSpanProcessor(self._exporter)
        except (ConfigError, ImportError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever it does not like about the variables
            said = scrub(str(error), exporter_secrets(os.environ))
            raise ConfigError(
                f"telemetry.otlp: expected OTEL_ variables that make an exporter, got: {said}"
            ) from None
        self._processor = processor
        self._resource = _resource(identity.process)
        self._context = _new_context(_IDS.generate_trace_id())
        self._start = time.perf_counter()
        self.run = _ids(self._context)
        """The trace and the span of the run itself."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._is_closed:
            self._end_run({}, _error("the run did not come to its end"))
            self._close()

    def ended(self, event: Event, watch: Stopwatch) -> None:
        """Make the trace of a picture that has just come to its end, if its turn is drawn.

        The event is told which it is, so it must not have been seen by others yet.
        """
        if random.random() >= self._share:  # noqa: S311 - a sample, not a secret
            return
        end = time.perf_counter()
        context = _new_context(_IDS.generate_trace_id())
        for lap in watch.laps:
            if lap.stage in STAGES:
                below = _new_context(context.trace_id)
                self._send(lap.stage, below, lap.start, lap.end, parent=context)
        self._send(
            IMAGE,
            context,
            watch.start,
            end,
            attributes={RUN_ID: self._run_id, **attributes(IMAGE, event)},
            links=[Link(self._context)],
            status=_error(f"{event.reason}: {event.message}")
            if isinstance(event, ImageFailed)
            else Status(),
        )
        trace(event, *_ids(context))

    def finish(self, finished: RunFinished) -> None:
        """End the run's span and send what is left, within a few seconds."""
        went_well = finished.exit_code not in (ExitCode.FAILURES, ExitCode.ENVIRONMENT)
        why = finished.message or "more pictures failed than allowed"
        self._end_run(attributes(RUN, finished), Status() if went_well else _error(why))
        self._close()

    def _end_run(self, more: dict[str, str | int], status: Status) -> None:
        end = time.perf_counter()
        told = {RUN_ID: self._run_id, **more}
        self._send(RUN, self._context, self._start, end, attributes=told, status=status)

    def _send(self, name: str, context: SpanContext, start: float, end: float, **more: Any) -> None:
        """Hand a span over to be sent.

        It is made as a whole: a tracer's would be begun, changed and ended, each under a lock,
        which takes thirty times as long.
        """
        span = ReadableSpan(
            name,
            context,
            resource=self._resource,
            instrumentation_scope=_SCOPE,
            start_time=self._ns(start),
            end_time=self._ns(end),
            **more,
        )
        self._processor.on_end(span)

    def _ns(self, seconds: float) -> int:
        """Turn a time of `time.perf_counter` into nanoseconds since 1970."""
        return self._epoch_ns + round(seconds * 1e9)

    def _close(self) -> None:
        """Send what is left, for as long as patience lasts. The SDK itself would wait for 30 s."""
        self._is_closed = True
        closing = threading.Thread(target=self._processor.shutdown, name="otlp-end", daemon=True)
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


class _Resource(Resource):
    """A resource that works its hash out once: the SDK does so for each span that it sends."""

    def __init__(self, resource: Resource) -> None:
        super().__init__(dict(resource.attributes), resource.schema_url)
        self._hash = super().__hash__()

    def __hash__(self) -> int:
        return self._hash


def _resource(process: str) -> Resource:
    """Say who we are, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES say otherwise."""
    ours = {
        SERVICE_NAME: "optimizr",
        SERVICE_VERSION: __version__,
        SERVICE_INSTANCE_ID: process,
    }
    return _Resource(Resource.create(ours).merge(OTELResourceDetector().detect()))


def _new_context(trace_id: int) -> SpanContext:
    return SpanContext(trace_id, _IDS.generate_span_id(), is_remote=False, trace_flags=_SAMPLED)


def _ids(context: SpanContext) -> tuple[str, str]:
    return format_trace_id(context.trace_id), format_span_id(context.span_id)


def _error(text: str) -> Status:
    """Say what went wrong; a name in it may be none that UTF-8 can hold."""
    return Status(StatusCode.ERROR, text.encode(errors="backslashreplace").decode())
